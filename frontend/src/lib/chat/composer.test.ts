import { describe, expect, test } from 'vitest';
import type { Message, SendMessage } from '$lib/contract/types';
import { CallError, type Reason } from '$lib/duplex';
import type { Chat } from './chat.svelte';
import { Composer } from './composer.svelte';
import { Drafts } from './drafts.svelte';
import { Outbox } from './outbox.svelte';
import { MAX_CHARACTERS } from './text';
import { MemoryStorage, message, settled } from './testing';

/** A server that answers when it is told to. */
class Server {
	readonly asked: SendMessage[] = [];
	readonly #answers: ((answer: Promise<Message>) => void)[] = [];

	readonly deliver = (params: SendMessage): Promise<Message> => {
		this.asked.push(params);
		return new Promise((resolve) => this.#answers.push(resolve));
	};

	accept(): void {
		const params = this.asked.at(-1);
		if (params) this.#answers.shift()?.(Promise.resolve(message(params)));
	}

	refuse(reason: Reason<'chat.send'>): void {
		const error = new CallError<'chat.send'>('chat.send', reason, reason.type);
		this.#answers.shift()?.(Promise.reject(error));
	}
}

function setUp() {
	const server = new Server();
	const storage = new MemoryStorage();
	const noticed: string[] = [];
	const chat = {
		user: 'Ada' as string | null,
		connected: 'as-visitor' as Chat['connected'],
		drafts: new Drafts(storage),
		outbox: new Outbox(storage),
		failed: ({ type }: { type: string }) => noticed.push(type)
	};
	const place = { room: 'lobby' };
	const arrived: Message[] = [];
	const composer = new Composer({
		chat,
		room: () => place.room,
		notice: { input: () => noticed.push('typing'), stop: () => noticed.push('stopped') },
		began: () => noticed.push('began'),
		arrived: (sent) => arrived.push(sent),
		deliver: server.deliver
	});
	const texts = (kind: 'sending' | 'failed', room = 'lobby') =>
		chat.outbox[kind](room, 'Ada').map(({ text }) => text);
	return { composer, server, chat, place, noticed, arrived, texts };
}

test('what is sent leaves the composer at once, and is shown as being sent', async () => {
	const { composer, server, noticed, arrived, texts } = setUp();
	composer.write('  Hello \n');
	composer.send();

	expect(composer.draft).toBe('');
	expect(texts('sending')).toEqual(['Hello']);
	expect(server.asked).toMatchObject([{ room: 'lobby', text: 'Hello' }]);
	expect(noticed).toEqual(['typing', 'stopped', 'began']);

	server.accept();
	await settled();

	expect(texts('sending')).toEqual([]);
	expect(arrived).toMatchObject([{ text: 'Hello', nonce: server.asked[0]?.nonce }]);
	expect(composer.alert).toBeNull();
});

test.each(['', '  \n'])('%j is not sent', (text) => {
	const { composer, server } = setUp();
	composer.write(text);
	composer.send();

	expect(server.asked).toEqual([]);
});

describe('a refusal', () => {
	test('puts the text back, and says why', async () => {
		const { composer, server, noticed, texts } = setUp();
		composer.write('too much');
		composer.send();
		server.refuse({ type: 'too_long', limit: 3 });
		await settled();

		expect(composer.draft).toBe('too much');
		expect(composer.alert).toContain('too long');
		expect(texts('sending')).toEqual([]);
		expect(texts('failed')).toEqual([]);
		expect(noticed).toContain('too_long');
	});

	test('leaves alone what has been written meanwhile', async () => {
		const { composer, server, texts } = setUp();
		composer.write('first');
		composer.send();
		composer.write('second');
		server.refuse({ type: 'too_fast', wait: 900 });
		await settled();

		expect(composer.draft).toBe('second');
		expect(texts('failed')).toEqual(['first']);
		expect(composer.alert).toContain('a second');
	});

	test('reaches whoever has gone to another room when they come back', async () => {
		const { composer, server, place } = setUp();
		composer.write('Hello');
		composer.send();
		place.room = 'kitchen';
		server.refuse({ type: 'too_fast', wait: 900 });
		await settled();

		expect(composer.draft).toBe('');
		expect(composer.alert).toBeNull();
		place.room = 'lobby';
		expect(composer.draft).toBe('Hello');
	});
});

test('what is far too long is not sent, and stays where it was written', () => {
	const { composer, server, noticed } = setUp();
	const text = 'x'.repeat(MAX_CHARACTERS + 1);
	composer.write(text);
	composer.send();

	expect(server.asked).toEqual([]);
	expect(noticed).toEqual(['typing']);
	expect(composer.draft).toBe(text);
	expect(composer.alert).toContain(`too long: ${MAX_CHARACTERS} characters`);

	composer.write('x'.repeat(MAX_CHARACTERS));
	composer.send();
	expect(server.asked).toHaveLength(1);
});

describe('somebody else in the same tab', () => {
	test('does not see what was written before', () => {
		const { composer, chat } = setUp();
		composer.write('a secret');
		chat.user = 'Grace';
		expect(composer.draft).toBe('');

		chat.user = 'Ada';
		expect(composer.draft).toBe('a secret');
	});

	test('does not get what comes back to its author', async () => {
		const { composer, server, chat } = setUp();
		composer.write('a secret');
		composer.send();
		chat.user = 'Grace';
		server.refuse({ type: 'signed_out' });
		await settled();
		expect(composer.draft).toBe('');
		expect(composer.alert).toBeNull();

		chat.user = 'Ada';
		expect(composer.draft).toBe('a secret');
	});
});

test('nothing is said over the connection of somebody else', async () => {
	const { composer, server, chat } = setUp();
	chat.connected = 'as-another';
	composer.write('Hello');
	composer.send();
	await settled();

	expect(server.asked).toEqual([]);
	expect(composer.draft).toBe('Hello');
	expect(composer.alert).toContain('signed out');
});

test('nobody writes while nobody is signed in', () => {
	const { composer, server, chat } = setUp();
	chat.user = null;
	composer.write('Hello');
	composer.send();

	expect(composer.draft).toBe('');
	expect(server.asked).toEqual([]);
});

describe('without an answer', () => {
	async function unanswered() {
		const set = setUp();
		set.composer.write('Hello');
		set.composer.send();
		set.server.refuse({ type: 'unreachable' });
		await settled();
		const [failed] = set.chat.outbox.failed('lobby', 'Ada');
		if (!failed) throw new Error('the message is gone');
		return { ...set, failed };
	}

	test('the message stays, and so does the empty composer', async () => {
		const { composer, texts } = await unanswered();

		expect(texts('failed')).toEqual(['Hello']);
		expect(composer.draft).toBe('');
		expect(composer.alert).toContain('did not answer');
	});

	test('it is sent again with the same nonce', async () => {
		const { composer, server, failed, texts } = await unanswered();
		composer.retry(failed);
		expect(texts('failed')).toEqual([]);
		expect(texts('sending')).toEqual(['Hello']);
		server.accept();
		await settled();

		expect(server.asked).toHaveLength(2);
		expect(server.asked[1]).toEqual(server.asked[0]);
		expect(texts('sending')).toEqual([]);
		expect(composer.alert).toBeNull();
	});

	test('it can be given up', async () => {
		const { composer, failed, texts } = await unanswered();
		composer.discard(failed);

		expect(texts('failed')).toEqual([]);
		expect(composer.alert).toBeNull();
	});
});

test('an alert can be dismissed', async () => {
	const { composer, server } = setUp();
	composer.write('Hello');
	composer.send();
	server.refuse({ type: 'bad_room' });
	await settled();
	composer.dismissAlert();

	expect(composer.alert).toBeNull();
});
