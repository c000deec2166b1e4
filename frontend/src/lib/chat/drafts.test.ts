import { expect, test } from 'vitest';
import { Drafts } from './drafts.svelte';
import { MemoryStorage } from './testing';

const lobby = { room: 'lobby', author: 'Ada' };

test('each room has a draft of its own', () => {
	const drafts = new Drafts(new MemoryStorage());
	drafts.set(lobby, 'Hello');
	drafts.set({ ...lobby, room: 'kitchen' }, 'Tea?');

	expect(drafts.of(lobby)).toBe('Hello');
	expect(drafts.of({ ...lobby, room: 'kitchen' })).toBe('Tea?');
	expect(drafts.of({ ...lobby, room: 'cellar' })).toBe('');
});

test('each author has a draft of their own', () => {
	const drafts = new Drafts(new MemoryStorage());
	drafts.set(lobby, 'a secret');

	expect(drafts.of({ ...lobby, author: 'Grace' })).toBe('');
	expect(drafts.of(lobby)).toBe('a secret');
});

test('a draft is there again when the page has been reloaded', () => {
	const storage = new MemoryStorage();
	new Drafts(storage).set(lobby, 'Hello');

	expect(new Drafts(storage).of(lobby)).toBe('Hello');
});

test('a draft that was sent leaves nothing behind', () => {
	const storage = new MemoryStorage();
	const drafts = new Drafts(storage);
	drafts.set(lobby, 'Hello');
	drafts.set(lobby, '');

	expect(drafts.of(lobby)).toBe('');
	expect(storage.items.size).toBe(0);
});
