// @ts-check
/**
 * A WebSocket that never comes back: it is open, has short texts echoed, and then it is closed with a code. It knows just
 * enough of the protocol for that, so that a browser's or a library's good manners hide nothing.
 */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { within } from './wait.js';

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

/** The longest payload whose length is in a frame's first two bytes. */
const SHORT = 125;

/** What a connection ends with that was not closed properly. */
export const ABNORMAL = 1006;

export class RawSocket {
	/** The code it was closed with. @type {Promise<number>} */
	closed;
	#stream;
	/** Who waits for a text to be echoed. @type {Map<string, () => void>} */
	#awaited = new Map();

	/**
	 * @param {import('node:stream').Duplex} stream
	 * @param {Buffer} early
	 */
	constructor(stream, early) {
		this.#stream = stream;
		this.closed = new Promise((resolve) => {
			let unread = early;
			const read = () => {
				for (let frame = nextFrame(unread); frame !== null; frame = nextFrame(unread)) {
					const { opcode, payload } = frame;
					unread = frame.rest;
					if (opcode === TEXT) this.#heard(payload.toString());
					if (opcode === PING) stream.write(masked(PONG, payload));
					if (opcode !== CLOSE) continue;
					stream.end(masked(CLOSE, payload));
					resolve(payload.length >= 2 ? payload.readUInt16BE(0) : ABNORMAL);
				}
			};
			stream.on('data', (part) => {
				unread = Buffer.concat([unread, part]);
				read();
			});
			stream.on('error', () => resolve(ABNORMAL));
			stream.on('close', () => resolve(ABNORMAL));
			read();
		});
	}

	/** Sends a short text, and waits until the demo's server has echoed it. @param {string} text */
	async echo(text) {
		const echoed = new Promise((/** @type {(value: void) => void} */ resolve) =>
			this.#awaited.set(text, resolve)
		);
		this.#stream.write(masked(TEXT, Buffer.from(text)));
		await within(`the echo of ${text}`, echoed);
	}

	/** @param {string} message An echo is followed by the socket's id in parentheses. */
	#heard(message) {
		const text = message.slice(0, message.lastIndexOf(' ('));
		this.#awaited.get(text)?.();
		this.#awaited.delete(text);
	}

	/**
	 * @param {number} port
	 * @returns {Promise<RawSocket>}
	 */
	static open(port) {
		return new Promise((resolve, reject) => {
			const handshake = request({
				host: '127.0.0.1',
				port,
				path: '/websocket',
				agent: false,
				headers: {
					Connection: 'Upgrade',
					Upgrade: 'websocket',
					'Sec-WebSocket-Key': randomBytes(16).toString('base64'),
					'Sec-WebSocket-Version': '13'
				}
			});
			handshake.once('upgrade', (_response, stream, early) =>
				resolve(new RawSocket(stream, early))
			);
			handshake.once('response', ({ statusCode }) => reject(new Error(`refused: ${statusCode}`)));
			handshake.once('error', reject);
			handshake.end();
		});
	}
}

/**
 * The first frame in a server's bytes, if it is complete.
 *
 * @param {Buffer} bytes
 * @returns {{ opcode: number, payload: Buffer, rest: Buffer } | null}
 */
function nextFrame(bytes) {
	if (bytes.length < 2) return null;
	const opcode = bytes.readUInt8(0) & 0x0f;
	let [length, start] = [bytes.readUInt8(1) & 0x7f, 2];
	if (length === 126) {
		if (bytes.length < 4) return null;
		[length, start] = [bytes.readUInt16BE(2), 4];
	} else if (length === 127) {
		if (bytes.length < 10) return null;
		[length, start] = [Number(bytes.readBigUInt64BE(2)), 10];
	}
	if (bytes.length < start + length) return null;
	const end = start + length;
	return { opcode, payload: bytes.subarray(start, end), rest: bytes.subarray(end) };
}

/**
 * A frame, masked as a client's has to be; by zeros, which change nothing.
 *
 * @param {number} opcode
 * @param {Buffer} payload
 */
function masked(opcode, payload) {
	if (payload.length > SHORT) throw new Error(`${payload.length} bytes are too many for one frame`);
	return Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
