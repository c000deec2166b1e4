// @ts-check
/** Tries one fact, with clients of its own that end with it. Runs in Node and in a page. */
import { facts } from './facts.js';
import { ServerApi, sign } from './server-api.js';
import { Visitor } from './visitor.js';

/**
 * Where a fact is tried.
 *
 * @typedef {object} Place
 * @property {typeof import('centrifuge').Centrifuge} Centrifuge
 * @property {Partial<import('centrifuge').Options>} options What the SDK has to be told there.
 * @property {string} origin Where the server is.
 */

export class Stage {
	/** What the backend does. @type {ServerApi} */
	api;
	/** A channel that no other fact uses. @type {string} */
	channel;
	/** @type {Place} */
	#place;
	/** @type {Visitor[]} */
	#visitors = [];

	/**
	 * @param {string} channel
	 * @param {Place} place
	 */
	constructor(channel, place) {
		this.channel = channel;
		this.#place = place;
		this.api = new ServerApi(place.origin);
	}

	/**
	 * A client that is connected, with a token that says nothing but who it is.
	 *
	 * @param {string} [user]
	 */
	async connected(user = 'ada') {
		const visitor = this.visitor({ token: await sign({ sub: user }) });
		await visitor.connect();
		return visitor;
	}

	/** A client that is not connected yet. @param {Partial<import('centrifuge').Options>} [options] */
	visitor(options) {
		const { Centrifuge, options: needed, origin } = this.#place;
		const endpoint = `${origin.replace(/^http/, 'ws')}/connection/websocket`;
		const visitor = new Visitor(new Centrifuge(endpoint, { ...needed, ...options }));
		this.#visitors.push(visitor);
		return visitor;
	}

	/** Ends all clients. */
	end() {
		for (const { sdk } of this.#visitors) sdk.disconnect();
	}
}

/**
 * Tries a fact, and fails if it is none.
 *
 * @param {string} fact
 * @param {Place} place
 */
export async function prove(fact, place) {
	const stage = new Stage(fact, place);
	try {
		await facts[fact]?.(stage);
	} finally {
		stage.end();
	}
}
