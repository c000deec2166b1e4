import { expect, test } from 'vitest';
import { Drafts } from './drafts.svelte';
import { MemoryStorage } from './testing';

test('each room has a draft of its own', () => {
	const drafts = new Drafts(new MemoryStorage());
	drafts.set('lobby', 'Hello');
	drafts.set('kitchen', 'Tea?');

	expect(drafts.of('lobby')).toBe('Hello');
	expect(drafts.of('kitchen')).toBe('Tea?');
	expect(drafts.of('cellar')).toBe('');
});

test('a draft is there again when the page has been reloaded', () => {
	const storage = new MemoryStorage();
	new Drafts(storage).set('lobby', 'Hello');

	expect(new Drafts(storage).of('lobby')).toBe('Hello');
});

test('a draft that was sent leaves nothing behind', () => {
	const storage = new MemoryStorage();
	const drafts = new Drafts(storage);
	drafts.set('lobby', 'Hello');
	drafts.set('lobby', '');

	expect(drafts.of('lobby')).toBe('');
	expect(storage.items.size).toBe(0);
});
