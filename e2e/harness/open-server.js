// @ts-check
/** The example program that SDKs are tried with: a server that allows everything to everybody. */
import { buildExample } from './cargo.js';

export class OpenServer {
	/** @type {import('./program.js').Program} */
	program;
	/** The origin of its page and of its HTTP API. @type {string} */
	origin;

	/**
	 * @param {import('./program.js').Program} program
	 * @param {string} origin
	 */
	constructor(program, origin) {
		this.program = program;
		this.origin = origin;
	}

	/** Starts the server and waits until it listens. @param {import('./run.js').Run} run */
	static async start(run) {
		const program = run.start(await buildExample('duplex-core', 'open'), ['--port', '0']);
		const [, place] = await program.line(/listening on ws:\/\/(\S+)\/connection\/websocket/);
		return new OpenServer(program, `http://${place}`);
	}
}
