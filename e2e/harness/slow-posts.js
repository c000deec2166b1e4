// @ts-check
/**
 * Requests that take their time and then have a number published: there is always one that is running. None is sent
 * twice.
 */
import { request } from 'node:http';

/** How many are under way. */
const CLIENTS = 3;

/** Enough to recognise what goes wrong. */
const FAILURES_KEPT = 10;

export class SlowPosts {
	/** What has failed. @type {string[]} */
	failures = [];
	#port;
	#channel;
	#number = 0;
	#isOver = false;
	/** @type {number[]} */
	#answered = [];
	/** @type {Promise<void>[]} */
	#clients = [];

	/**
	 * @param {number} port
	 * @param {string} channel
	 */
	constructor(port, channel) {
		this.#port = port;
		this.#channel = channel;
	}

	/**
	 * @param {number} port
	 * @param {string} channel
	 */
	static begin(port, channel) {
		const posts = new SlowPosts(port, channel);
		for (let clients = 0; clients < CLIENTS; clients += 1) posts.#clients.push(posts.#repeat());
		return posts;
	}

	/** Lets the last ones be answered, and returns the numbers of all that were, in order. */
	async end() {
		this.#isOver = true;
		await Promise.all(this.#clients);
		return this.#answered.toSorted((one, other) => one - other);
	}

	async #repeat() {
		while (!this.#isOver && this.failures.length < FAILURES_KEPT) {
			this.#number += 1;
			const number = this.#number;
			try {
				const status = await this.#post(`/numbers/${this.#channel}/${number}`);
				if (status !== 200) throw new Error(`status ${status}`);
				this.#answered.push(number);
			} catch (error) {
				this.failures.push(`${number}: ${error}`);
			}
		}
	}

	/**
	 * @param {string} path
	 * @returns {Promise<number | undefined>} The status.
	 */
	#post(path) {
		return new Promise((resolve, reject) => {
			const options = { host: '127.0.0.1', port: this.#port, path, method: 'POST', agent: false };
			const outgoing = request(options, (response) => {
				response.resume();
				response.on('error', reject);
				response.on('end', () => resolve(response.statusCode));
			});
			outgoing.on('error', reject);
			outgoing.end();
		});
	}
}
