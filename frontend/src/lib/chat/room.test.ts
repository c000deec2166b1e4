import { beforeEach, describe, expect, test, vi } from 'vitest';
import type { Message, Typing } from '$lib/contract/types';
import {
	CallError,
	type ChannelOptions,
	type Loadable,
	type Member,
	type Publication,
	type Reason,
	type Refusal
} from '$lib/duplex';
import { Chat } from './chat.svelte';
import { Room } from './room.svelte';
import { message, settled } from './testing';

/** The server, as far as a room sees it. */
const server = vi.hoisted(() => ({
	answers: new Map<string, unknown>(),
	asked: [] as unknown[],
	channels: new Map<string, unknown>(),
	messages: { members: [], refusal: null as unknown, problem: null as unknown }
}));

vi.mock('$lib/duplex', async (original) => ({
	...(await original<object>()),
	call: (name: string, params: unknown) => {
		server.asked.push([name, params]);
		const answer = server.answers.get(name);
		return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
	},
	channel: (name: () => string, options: unknown) => {
		server.channels.set(name().replace(/:.*/, ''), options);
		return Object.assign(server.messages, { publish: () => Promise.resolve() });
	}
}));

const position = { epoch: 'e', offset: 7 };
const page = (...messages: Message[]) => ({ messages, earlier: true, position });

beforeEach(async () => {
	vi.stubGlobal('document', { visibilityState: 'visible' });
	vi.stubGlobal('fetch', () => Promise.resolve(Response.json({ user: 'Ada' })));
	server.answers.clear();
	server.asked.length = 0;
	Object.assign(server.messages, { refusal: null, problem: null });
});

async function enter(...messages: Message[]) {
	const chat = new Chat();
	await chat.identify();
	const place = { name: 'lobby' };
	const room = new Room(chat, () => place.name);
	const options = server.channels.get('chat') as ChannelOptions<Message, null, Loadable>;
	const typing = server.channels.get('typing') as ChannelOptions<Typing, null>;
	const load = () => options.load?.(new AbortController().signal);
	const open = async () => {
		const state = await load();
		if (state) options.loaded?.(state);
		return state?.position;
	};
	const fails = (how: { refusal?: Refusal; problem?: Reason }) =>
		Object.assign(server.messages, how);
	const publish = (data: Message) => options.received?.({ data, offset: 8, info: null });
	const type = (user: string) =>
		typing.received?.({
			data: { typing: true },
			offset: null,
			info: { client: '1', user, info: null } satisfies Member<null>
		} satisfies Publication<Typing, null>);
	server.answers.set('chat.open', page(...messages));
	await open();
	return { chat, place, room, options, load, open, fails, publish, type };
}

const texts = (room: Room) =>
	room.rows.flatMap((row) => (row.kind === 'message' ? [row.text] : []));

describe('opening', () => {
	test('shows the messages, and says at which position they were read', async () => {
		const { room, open } = await enter(message({ id: 1 }), message({ id: 2 }));

		expect(await open()).toEqual(position);
		expect(texts(room)).toEqual(['message 1', 'message 2']);
		expect(room.news.items).toEqual([]);
	});

	test('a room that is being left shows nothing of it in the next', async () => {
		const { room, place, options, load } = await enter();
		server.answers.set('chat.open', page(message({ id: 2 })));
		const state = await load();
		place.name = 'kitchen';
		if (state) options.loaded?.(state);

		expect(room.loaded).toBe(false);
		expect(texts(room)).toEqual([]);
	});

	test('that fails is explained', async () => {
		const { room, fails } = await enter();
		expect(room.problem).toBeNull();

		fails({ problem: { type: 'failed', code: 100, message: 'internal server error' } });
		expect(room.problem).toContain('internal server error');

		fails({ refusal: { code: 409, message: 'conflict' } });
		expect(room.problem).toContain('older than the server');

		fails({ refusal: { code: 101, message: 'unauthorized' } });
		expect(room.problem).toContain('signed out');
	});
});

test('what is not sent yet is shown before the room has been loaded', async () => {
	const { chat, room, place } = await enter();
	place.name = 'kitchen';
	chat.outbox.keep({ room: 'kitchen', author: 'Ada', text: 'Hi', nonce: 'n', written: 1 });

	expect(room.loaded).toBe(false);
	expect(texts(room)).toEqual(['Hi']);
});

describe('a publication', () => {
	test('of somebody else is news', async () => {
		const { chat, room, publish } = await enter();
		room.reader.scrolled(500);
		publish(message({ id: 3, author: 'Bob', text: 'Hi' }));

		expect(texts(room)).toEqual(['Hi']);
		expect(room.news.items).toEqual([{ id: 3, text: 'Bob: Hi' }]);
		expect(room.reader.unseen).toBe(1);
		expect(chat.rooms.with('lobby')).toEqual([{ name: 'lobby', messages: 1, latest: 3000 }]);
	});

	test("of the visitor's own is not", async () => {
		const { room, publish } = await enter();
		room.reader.scrolled(500);
		publish(message({ id: 3, author: 'Ada' }));

		expect(texts(room)).toEqual(['message 3']);
		expect(room.news.items).toEqual([]);
		expect(room.reader.unseen).toBe(0);
	});

	test('from outside is, whatever name it gives', async () => {
		const { room, publish } = await enter();
		publish(message({ id: 3, author: 'Ada', outside: true }));

		expect(room.news.items).toHaveLength(1);
	});

	test('that is here already is not', async () => {
		const { room, publish } = await enter(message({ id: 3, author: 'Bob' }));
		publish(message({ id: 3, author: 'Bob' }));

		expect(texts(room)).toEqual(['message 3']);
		expect(room.news.items).toEqual([]);
	});

	test('of a message that had arrived long ago is nothing new', async () => {
		const { chat, room, publish } = await enter(message({ id: 50, author: 'Bob', sent: 50 }));
		publish(message({ id: 51, author: 'Bob', sent: 51 }));
		room.reader.scrolled(500);
		publish(message({ id: 3, author: 'Bob', sent: 3 }));

		expect(texts(room)).toEqual(['message 50', 'message 51']);
		expect(room.news.items).toHaveLength(1);
		expect(room.reader.unseen).toBe(0);
		expect(chat.rooms.with('lobby')).toEqual([{ name: 'lobby', messages: 1, latest: 51 }]);
	});

	test('that comes behind the reply to its own call has no more to tell', async () => {
		const { chat, room, publish } = await enter();
		server.answers.set('chat.send', message({ id: 3 }));
		room.composer.write('message 3');
		room.composer.send();
		await settled();
		publish(message({ id: 3 }));

		expect(texts(room)).toEqual(['message 3']);
		expect(chat.rooms.with('lobby')).toEqual([{ name: 'lobby', messages: 1, latest: 3000 }]);
	});

	test('ends its author being shown as typing', async () => {
		const { room, publish, type } = await enter();
		type('Bob');
		expect(room.typists).toEqual(['Bob']);
		publish(message({ id: 3, author: 'Bob' }));

		expect(room.typists).toEqual([]);
	});

	test('of a message that seemed not to be sent takes its place', async () => {
		const { chat, room, publish } = await enter();
		chat.outbox.keep({ room: 'lobby', author: 'Ada', text: 'Hi', nonce: 'n', written: 1 });
		expect(texts(room)).toEqual(['Hi']);
		publish(message({ id: 3, text: 'Hi', nonce: 'n' }));

		expect(texts(room)).toEqual(['Hi']);
		expect(chat.outbox.failed('lobby', 'Ada')).toEqual([]);
	});
});

test('nobody is told that they are typing themselves', async () => {
	const { room, type } = await enter();
	type('Ada');

	expect(room.typists).toEqual([]);
});

describe('earlier messages', () => {
	test('are asked for by the first one that is here', async () => {
		const { room } = await enter(message({ id: 5 }), message({ id: 6 }));
		server.answers.set('chat.earlier', { messages: [message({ id: 4 })], earlier: false });
		await room.loadEarlier();

		expect(server.asked.at(-1)).toEqual(['chat.earlier', { room: 'lobby', before: 5 }]);
		expect(texts(room)).toEqual(['message 4', 'message 5', 'message 6']);
		expect(room.timeline.canGrow).toBe(false);
	});

	test('are asked for once at a time', async () => {
		const { room } = await enter(message({ id: 5 }));
		server.answers.set('chat.earlier', { messages: [], earlier: false });
		await Promise.all([room.loadEarlier(), room.loadEarlier()]);

		expect(server.asked).toHaveLength(2);
	});

	test('of a room that was left are no matter of the next', async () => {
		const { room, place } = await enter(message({ id: 5 }));
		const left = new CallError('chat.earlier', { type: 'unreachable' }, 'no answer');
		server.answers.set('chat.earlier', left);
		const loading = room.loadEarlier();
		expect(room.loadingEarlier).toBe(true);
		place.name = 'kitchen';
		expect(room.loadingEarlier).toBe(false);
		await loading;

		expect(room.problem).toBeNull();
	});

	test('that do not come are explained', async () => {
		const { room } = await enter(message({ id: 5 }));
		server.answers.set(
			'chat.earlier',
			new CallError('chat.earlier', { type: 'unreachable' }, 'no answer')
		);
		await room.loadEarlier();

		expect(room.problem).toBe('The server does not answer.');
		expect(room.loadingEarlier).toBe(false);
	});
});
