// @ts-check
/** What a backend does: signs tokens, and calls the HTTP API. Runs in Node and in a page. */
import { PATIENCE_MS } from '../harness/wait.js';

/** The key of the HTTP API and the secret of the tokens, as the example program has them. */
const KEY = 'test-api-key';
const SECRET = 'secret';

/**
 * What a token claims: who somebody is, until when, what is told of them, and for a subscription where.
 *
 * @typedef {{ sub: string, exp?: number, info?: unknown, channel?: string }} Claims
 */

export class ServerApi {
	#origin;

	/** @param {string} origin */
	constructor(origin) {
		this.#origin = origin;
	}

	/**
	 * Publishes to a channel, and returns the position of the publication.
	 *
	 * @param {string} channel
	 * @param {unknown} data
	 * @returns {Promise<{ offset: number, epoch: string }>}
	 */
	publish(channel, data) {
		return this.#call('publish', { channel, data });
	}

	/**
	 * @param {string} user
	 * @param {string} channel
	 */
	subscribe(user, channel) {
		return this.#call('subscribe', { user, channel });
	}

	/**
	 * @param {string} user
	 * @param {string} channel
	 */
	unsubscribe(user, channel) {
		return this.#call('unsubscribe', { user, channel });
	}

	/**
	 * Closes every connection of a user, for good if no other code is given.
	 *
	 * @param {string} user
	 * @param {{ code: number, reason: string }} [disconnect]
	 */
	disconnect(user, disconnect) {
		return this.#call('disconnect', { user, disconnect });
	}

	/**
	 * @param {string} method
	 * @param {Record<string, unknown>} parameters
	 */
	async #call(method, parameters) {
		const response = await fetch(`${this.#origin}/api/${method}`, {
			method: 'POST',
			headers: { 'content-type': 'application/json', 'x-api-key': KEY },
			body: JSON.stringify(parameters),
			signal: AbortSignal.timeout(PATIENCE_MS)
		});
		const answer = await response.text();
		if (!response.ok) throw new Error(`${method} was answered with ${response.status}: ${answer}`);
		const { result, error } = JSON.parse(answer);
		if (error !== undefined) throw new Error(`${method} was answered with ${answer}`);
		return result;
	}
}

/**
 * A JSON Web Token.
 *
 * @param {Claims} claims
 * @param {string} [secret]
 */
export async function sign(claims, secret = SECRET) {
	const [header, body] = [{ alg: 'HS256', typ: 'JWT' }, claims].map((part) =>
		base64url(new TextEncoder().encode(JSON.stringify(part)))
	);
	const key = await crypto.subtle.importKey(
		'raw',
		new TextEncoder().encode(secret),
		{ name: 'HMAC', hash: 'SHA-256' },
		false,
		['sign']
	);
	const signed = new TextEncoder().encode(`${header}.${body}`);
	const signature = new Uint8Array(await crypto.subtle.sign('HMAC', key, signed));
	return `${header}.${body}.${base64url(signature)}`;
}

/** A moment as tokens name it. @param {number} seconds From now. */
export function inSeconds(seconds) {
	return Math.floor(Date.now() / 1000) + seconds;
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
	return btoa(String.fromCharCode(...bytes))
		.replaceAll('+', '-')
		.replaceAll('/', '_')
		.replaceAll('=', '');
}
