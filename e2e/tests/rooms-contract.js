// @ts-check
/** What the rooms of the demo promise to the SDK, whichever server is below. */
import assert from 'node:assert/strict';
import { Centrifuge } from 'centrifuge';
import { createRequire } from 'node:module';
import { until } from '../harness/wait.js';
import { Visitor } from '../sdk/visitor.js';

const { WebSocket } = createRequire(import.meta.url)('ws');

/**
 * @param {(name: string, test: () => Promise<void>) => void} scenario
 * @param {() => { url: string }} server
 */
export function roomsContract(scenario, server) {
	scenario('a_signed_in_visitor_talks_in_a_room_and_is_seen_there', async () => {
		const [ada, bob] = [await visit(server().url, 'ada'), await visit(server().url, 'bob')];
		try {
			const [hers, his] = [await ada.subscribe('chat:lobby'), await bob.subscribe('chat:lobby')];
			await hers.sdk.publish({ text: 'hello' });
			await his.hasReceived([{ text: 'hello' }]);
			assert.equal(his.publications[0]?.info?.user, 'ada');
			const { clients } = await his.sdk.presence();
			assert.deepEqual(
				Object.values(clients)
					.map(({ user }) => user)
					.sort(),
				['ada', 'bob']
			);
		} finally {
			ada.sdk.disconnect();
			bob.sdk.disconnect();
		}
	});

	scenario('who_is_not_signed_in_may_not_enter_a_room', async () => {
		const nobody = await visit(server().url);
		try {
			const room = nobody.listener('chat:lobby');
			room.sdk.subscribe();
			await until('the refusal', () => room.unsubscribed.length > 0);
			assert.equal(room.unsubscribed[0]?.code, 101);
		} finally {
			nobody.sdk.disconnect();
		}
	});
}

/**
 * A client with the session cookie that a browser would send.
 *
 * @param {string} url
 * @param {string} [name]
 */
async function visit(url, name) {
	const headers = name === undefined ? {} : { cookie: await signIn(url, name) };
	class SocketWithCookie extends WebSocket {
		/** @param {string} address */
		constructor(address) {
			super(address, { headers });
		}
	}
	const endpoint = new URL('/connection/websocket', url.replace('http', 'ws')).href;
	const visitor = new Visitor(new Centrifuge(endpoint, { websocket: SocketWithCookie }));
	await visitor.connect();
	return visitor;
}

/**
 * @param {string} url
 * @param {string} name
 */
async function signIn(url, name) {
	const answer = await fetch(new URL('/api/session', url), {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify({ name })
	});
	assert.equal(answer.status, 200);
	const [cookie] = answer.headers.getSetCookie();
	return String(cookie).split(';')[0] ?? '';
}
