// @ts-check
/** What the development and the production server have in common for a test: a program that serves the page. */

export class PageServer {
	/** @type {import('./program.js').Program} */
	program;
	/** @type {number} */
	port;

	/**
	 * @param {import('./program.js').Program} program
	 * @param {number} port
	 */
	constructor(program, port) {
		this.program = program;
		this.port = port;
	}

	/** Where the page is. */
	get url() {
		return `http://localhost:${this.port}/`;
	}
}
