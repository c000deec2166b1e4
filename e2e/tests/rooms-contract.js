// @ts-check
/** What the rooms of the demo promise to the SDK, whichever server is below. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
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
		const room = newRoom();
		const [ada, bob] = [await visit(server().url, 'ada'), await visit(server().url, 'bob')];
		try {
			await ada.subscribe(`chat:${room}`);
			const his = await bob.subscribe(`chat:${room}`);
			const message = await say(ada, room, ' hello ');
			assert.deepEqual(
				{ room: message.room, author: message.author, text: message.text },
				{ room, author: 'ada', text: 'hello' }
			);
			await his.hasReceived([message]);
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

	scenario('what_was_said_is_there_for_whoever_comes_later', async () => {
		const room = newRoom();
		const [ada, bob] = [await visit(server().url, 'ada'), await visit(server().url, 'bob')];
		try {
			const message = await say(ada, room, 'hello');
			const { data } = await bob.sdk.rpc('chat.open', { room });
			assert.deepEqual([data.messages, data.earlier], [[message], false]);
			const rooms = (await bob.sdk.rpc('chat.rooms', null)).data;
			assert.ok(rooms.some((/** @type {{ name: string }} */ { name }) => name === room));
		} finally {
			ada.sdk.disconnect();
			bob.sdk.disconnect();
		}
	});

	scenario('what_is_posted_from_outside_appears_live', async () => {
		const room = newRoom();
		const ada = await visit(server().url, 'ada');
		try {
			const hers = await ada.subscribe(`chat:${room}`);
			const answer = await post(server().url, room, { author: 'Deploy', text: 'v2 is out' });
			assert.equal(answer.status, 201);
			await hers.hasReceived([await answer.json()]);
			assert.equal(hers.publications[0]?.data.outside, true);
			const refused = await post(server().url, room, { author: 'Deploy', text: ' ' });
			assert.equal(refused.status, 422);
			assert.match((await refused.json()).error, /^text: /);
		} finally {
			ada.sdk.disconnect();
		}
	});

	scenario('a_call_that_does_not_fit_is_told_what_does_not', async () => {
		const ada = await visit(server().url, 'ada');
		const room = newRoom();
		const nonce = randomUUID();
		try {
			const refusal = (/** @type {string} */ method, /** @type {unknown} */ data) =>
				ada.sdk.rpc(method, data).then(
					() => assert.fail(`${method} was answered`),
					(/** @type {{ code: number, message: string }} */ { code, message }) => [code, message]
				);
			assert.deepEqual(await refusal('chat.send', { room, text: 5, nonce }), [
				107,
				'text: invalid type: integer `5`, expected a string'
			]);
			const [code, reason] = await refusal('chat.send', { room, text: 'x'.repeat(2001), nonce });
			assert.equal(code, 400);
			assert.deepEqual(JSON.parse(String(reason)), { type: 'too_long', limit: 2000 });
			assert.equal((await refusal('chat.shout', {}))[0], 104);
			assert.equal((await refusal('chat.rooms@0123456789abcdef', null))[0], 409);
		} finally {
			ada.sdk.disconnect();
		}
	});

	scenario('nobody_publishes_to_a_room_past_the_database', async () => {
		const room = newRoom();
		const ada = await visit(server().url, 'ada');
		try {
			const hers = await ada.subscribe(`chat:${room}`);
			await assert.rejects(hers.sdk.publish({ text: 'hello' }), { code: 107 });
			const message = await say(ada, room, 'hello');
			await assert.rejects(hers.sdk.publish(message), { code: 103 });
			await hers.hasReceived([message]);
		} finally {
			ada.sdk.disconnect();
		}
	});

	scenario('who_is_not_signed_in_may_not_enter_a_room', async () => {
		const nobody = await visit(server().url);
		try {
			for (const channel of ['chat:lobby', 'typing:lobby']) {
				const room = nobody.listener(channel);
				room.sdk.subscribe();
				await until('the refusal', () => room.unsubscribed.length > 0);
				assert.equal(room.unsubscribed[0]?.code, 101);
			}
			await assert.rejects(nobody.sdk.rpc('chat.open', { room: 'lobby' }), { code: 101 });
		} finally {
			nobody.sdk.disconnect();
		}
	});

	scenario('signing_out_renews_the_sockets_that_are_open', async () => {
		const cookie = await signIn(server().url, 'eve');
		const eve = await visitWith(server().url, { cookie });
		try {
			await fetch(new URL('/api/session', server().url), { method: 'DELETE', headers: { cookie } });
			await until('the socket to come back', () => eve.connected.length === 2);
			assert.equal(eve.connecting.at(-1)?.code, 3011);
		} finally {
			eve.sdk.disconnect();
		}
	});
}

/** A room that no other test is in. */
function newRoom() {
	return randomUUID().slice(0, 32);
}

/**
 * Says something, as the page does.
 *
 * @param {Visitor} visitor
 * @param {string} room
 * @param {string} text
 */
async function say(visitor, room, text) {
	const { data } = await visitor.sdk.rpc('chat.send', { room, text, nonce: randomUUID() });
	return data;
}

/**
 * @param {string} url
 * @param {string} room
 * @param {unknown} message
 */
function post(url, room, message) {
	return fetch(new URL(`/api/rooms/${room}/messages`, url), {
		method: 'POST',
		headers: { 'content-type': 'application/json' },
		body: JSON.stringify(message)
	});
}

/**
 * A client with the session cookie that a browser would send.
 *
 * @param {string} url
 * @param {string} [name]
 */
async function visit(url, name) {
	return visitWith(url, name === undefined ? {} : { cookie: await signIn(url, name) });
}

/**
 * @param {string} url
 * @param {Record<string, string>} headers
 */
async function visitWith(url, headers) {
	class SocketWithHeaders extends WebSocket {
		/** @param {string} address */
		constructor(address) {
			super(address, { headers });
		}
	}
	const endpoint = new URL('/connection/websocket', url.replace('http', 'ws')).href;
	const visitor = new Visitor(new Centrifuge(endpoint, { websocket: SocketWithHeaders }));
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
