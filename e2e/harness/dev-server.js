// @ts-check
/** The development server, running in a working copy of the project. */
import { build } from './cargo.js';
import { PageServer } from './page-server.js';

/** A first build on a slow machine that has nothing built yet. */
const BUILD_MS = 600_000;

/** How the supervisor says that a worker serves. */
const WORKER_READY = /worker (\d+) ready/;

export class DevServer extends PageServer {
	/**
	 * Starts the server, and waits until it has its port.
	 *
	 * @param {import('./run.js').Run} run
	 * @param {import('./checkout.js').Checkout} checkout
	 * @param {{ env?: NodeJS.ProcessEnv, parameters?: string[] }} [options]
	 */
	static async launch(run, checkout, { env = {}, parameters = ['--port', '0'] } = {}) {
		const executable = await DevServer.build(run, checkout);
		const program = run.start(executable, parameters, {
			cwd: checkout.root,
			env: { ...checkout.environment, ...env }
		});
		const [, port] = await program.line(/starting on http:\/\/localhost:(\d+)/);
		return new DevServer(program, Number(port));
	}

	/**
	 * Starts the server, and waits until the page can be opened.
	 *
	 * @param {import('./run.js').Run} run
	 * @param {import('./checkout.js').Checkout} checkout
	 * @param {{ env?: NodeJS.ProcessEnv, parameters?: string[] }} [options]
	 */
	static async start(run, checkout, options) {
		const server = await DevServer.launch(run, checkout, options);
		await server.program.line(/ready on http/, { patience: BUILD_MS });
		return server;
	}

	/**
	 * Builds the program of the copy.
	 *
	 * @param {import('./run.js').Run} run
	 * @param {import('./checkout.js').Checkout} checkout
	 */
	static build(run, checkout) {
		const env = run.environment(checkout.environment);
		return build('dev-server', { root: checkout.root, env });
	}

	/**
	 * Makes a change and waits until a new worker, built with it, serves.
	 *
	 * @param {() => Promise<void>} change
	 * @returns {Promise<number>} The process of the new worker.
	 */
	async swap(change) {
		const from = this.program.lines.length;
		await change();
		const [, worker] = await this.program.line(WORKER_READY, { from, patience: BUILD_MS });
		return Number(worker);
	}
}
