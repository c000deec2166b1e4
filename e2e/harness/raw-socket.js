// @ts-check
/**
 * A WebSocket that never comes back: it is open, and then it is closed with a code. It knows just enough of the protocol
 * for that, so that a browser's or a library's good manners hide nothing.
 */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';

const CLOSE = 8;

/** What a connection ends with that was not closed properly. */
export const ABNORMAL = 1006;

export class RawSocket {
	/** The code it was closed with. @type {Promise<number>} */
	closed;

	/**
	 * @param {import('node:stream').Duplex} stream
	 * @param {Buffer} early
	 */
	constructor(stream, early) {
		this.closed = new Promise((resolve) => {
			let unread = early;
			const read = () => {
				for (let frame = nextFrame(unread); frame !== null; frame = nextFrame(unread)) {
					unread = frame.rest;
					if (frame.opcode !== CLOSE) continue;
					stream.end(answerTo(frame.payload));
					resolve(frame.payload.length >= 2 ? frame.payload.readUInt16BE(0) : ABNORMAL);
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

/** The close frame that answers one, masked as a client's has to be; by zeros, which change nothing. @param {Buffer} payload */
function answerTo(payload) {
	return Buffer.concat([Buffer.from([0x80 | CLOSE, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
