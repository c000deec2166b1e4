import { describe, expect, test } from 'vitest';
import { goesBack, Outbox, type Unsent } from './outbox.svelte';
import { MemoryStorage } from './testing';

const unsent = (nonce: string, part: Partial<Unsent> = {}): Unsent => ({
	room: 'lobby',
	author: 'Ada',
	text: `text of ${nonce}`,
	nonce,
	written: 1,
	...part
});
const nonces = (messages: readonly Unsent[]) => messages.map(({ nonce }) => nonce);

/** An outbox with one message on its way. */
function sending(storage = new MemoryStorage()) {
	const outbox = new Outbox(storage);
	let resolve!: () => void;
	let reject!: (reason: Error) => void;
	const delivered = new Promise<void>((...settle) => ([resolve, reject] = settle));
	const sent = outbox.send(unsent('one'), () => delivered);
	return { outbox, storage, sent, resolve, reject };
}

test('a message is shown as being sent until it is', async () => {
	const { outbox, sent, resolve } = sending();
	expect(nonces(outbox.sending('lobby', 'Ada'))).toEqual(['one']);

	resolve();
	await sent;

	expect(outbox.sending('lobby', 'Ada')).toEqual([]);
	expect(outbox.failed('lobby', 'Ada')).toEqual([]);
});

test('a failure is the business of whoever sent it', async () => {
	const { outbox, sent, reject } = sending();
	reject(new Error('refused'));

	await expect(sent).rejects.toThrow('refused');
	expect(outbox.sending('lobby', 'Ada')).toEqual([]);
	expect(outbox.failed('lobby', 'Ada')).toEqual([]);
});

test('a message that is sent again has failed no more', async () => {
	const outbox = new Outbox(new MemoryStorage());
	outbox.keep(unsent('one'));
	outbox.keep(unsent('two'));

	const sent = outbox.send(unsent('one'), () => Promise.resolve());

	expect(nonces(outbox.failed('lobby', 'Ada'))).toEqual(['two']);
	expect(nonces(outbox.sending('lobby', 'Ada'))).toEqual(['one']);
	await sent;
});

test('a discarded message is gone', () => {
	const storage = new MemoryStorage();
	const outbox = new Outbox(storage);
	outbox.keep(unsent('one'));
	outbox.discard('one');

	expect(outbox.failed('lobby', 'Ada')).toEqual([]);
	expect(storage.items.size).toBe(0);
});

test('each room and each visitor has messages of their own', () => {
	const outbox = new Outbox(new MemoryStorage());
	outbox.keep(unsent('here'));
	outbox.keep(unsent('elsewhere', { room: 'kitchen' }));
	outbox.keep(unsent('of another', { author: 'Bob' }));

	expect(nonces(outbox.failed('lobby', 'Ada'))).toEqual(['here']);
	expect(nonces(outbox.failed('kitchen', 'Ada'))).toEqual(['elsewhere']);
	expect(nonces(outbox.failed('lobby', 'Bob'))).toEqual(['of another']);
});

describe('when the page is loaded again', () => {
	test('what had failed and what was on its way can be sent again', () => {
		const { outbox, storage } = sending();
		outbox.keep(unsent('failed'));

		const next = new Outbox(storage);

		expect(nonces(next.failed('lobby', 'Ada'))).toEqual(['failed', 'one']);
	});

	test('what was sent is not there', async () => {
		const { storage, sent, resolve } = sending();
		resolve();
		await sent;

		expect(storage.items.size).toBe(0);
	});

	test.each(['{', '{}', '[1, null, {"room": "lobby"}]'])('%s is passed over', (stored) => {
		const storage = new MemoryStorage();
		storage.setItem('duplex:unsent', stored);

		expect(new Outbox(storage).failed('lobby', 'Ada')).toEqual([]);
	});
});

describe('what was refused', () => {
	test('goes back to an empty composer', () => {
		expect(goesBack({ type: 'too_long', limit: 2000 }, '')).toBe(true);
		expect(goesBack({ type: 'signed_out' }, '')).toBe(true);
	});

	test('does not overwrite what has been written meanwhile', () => {
		expect(goesBack({ type: 'too_long', limit: 2000 }, 'Another')).toBe(false);
	});

	test('stays a message when it may have arrived', () => {
		expect(goesBack({ type: 'unreachable' }, '')).toBe(false);
		expect(goesBack({ type: 'failed', code: 100, message: 'internal' }, '')).toBe(false);
	});
});
