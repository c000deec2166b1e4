// @ts-check
/**
 * Clients that ask without pause and never ask twice: whatever fails has failed. They are few, because they share two
 * cores with the compiler.
 */
import { Agent, request } from 'node:http';
import { get } from './http.js';

/** How long the body of a slow request takes to be sent. That is its nature, and nothing waits for it. */
const SLOW_BODY_MS = 400;

/** Enough to recognise what goes wrong. */
const FAILURES_KEPT = 20;

export class Load {
	/** How many requests were answered, by kind of client. @type {Record<string, number>} */
	answered = {};
	/** What has failed. @type {string[]} */
	failures = [];
	#port;
	#running = true;
	/** @type {Promise<void>[]} */
	#clients = [];
	#agent = new Agent({ keepAlive: true });

	/** @param {number} port */
	constructor(port) {
		this.#port = port;
	}

	/** Starts the clients. @param {number} port */
	static start(port) {
		const load = new Load(port);
		const ask = (/** @type {string} */ path, /** @type {Agent | false} */ agent) => () =>
			get(port, path, {}, agent);
		load.#client('kept alive', ask('/api/session', load.#agent));
		load.#client('kept alive', ask('/api/test', load.#agent));
		load.#client('new connections', ask('/api/session', false));
		load.#client('new connections', ask('/api/test', false));
		load.#client('proxied', ask('/favicon.svg', load.#agent));
		for (let clients = 0; clients < 4; clients += 1) load.#client('slow', () => load.#slow());
		return load;
	}

	/** How many requests were answered. */
	get total() {
		return Object.values(this.answered).reduce((sum, count) => sum + count, 0);
	}

	/** Lets every client finish its last request. */
	async stop() {
		this.#running = false;
		await Promise.all(this.#clients);
		this.#agent.destroy();
	}

	/**
	 * @param {string} kind
	 * @param {() => Promise<{ status: number }>} ask
	 */
	#client(kind, ask) {
		const repeat = async () => {
			while (this.#running && this.failures.length < FAILURES_KEPT) {
				try {
					const { status } = await ask();
					if (status !== 200) throw new Error(`status ${status}`);
					this.answered[kind] = (this.answered[kind] ?? 0) + 1;
				} catch (error) {
					this.failures.push(`${kind}, after ${this.answered[kind] ?? 0}: ${error}`);
				}
			}
		};
		this.#clients.push(repeat());
	}

	/**
	 * A request whose body takes its time, so that a swap falls into it.
	 *
	 * @returns {Promise<{ status: number }>}
	 */
	#slow() {
		return new Promise((resolve, reject) => {
			const body = JSON.stringify({ name: 'Ada' });
			const outgoing = request(
				{
					host: '127.0.0.1',
					port: this.#port,
					path: '/api/session',
					method: 'POST',
					headers: { 'content-type': 'application/json', 'content-length': body.length },
					agent: this.#agent
				},
				(response) => {
					response.resume();
					response.on('error', reject);
					response.on('end', () => resolve({ status: response.statusCode ?? 0 }));
				}
			);
			outgoing.on('error', reject);
			outgoing.write(body.slice(0, 4));
			setTimeout(() => outgoing.end(body.slice(4)), SLOW_BODY_MS);
		});
	}
}
