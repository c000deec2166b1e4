/** What the tests of the chat share. */
import type { Message } from '$lib/contract/types';
import type { TabStorage } from './storage';

/** A message of which only what matters to a test has to be said. */
export function message(part: Partial<Message> = {}): Message {
	const id = part.id ?? 1;
	return {
		id,
		room: 'lobby',
		author: 'Ada',
		outside: false,
		text: `message ${id}`,
		sent: id * 1000,
		nonce: null,
		...part
	};
}

/** A tab's storage that can be looked into. */
export class MemoryStorage implements TabStorage {
	readonly items = new Map<string, string>();

	getItem(key: string): string | null {
		return this.items.get(key) ?? null;
	}

	setItem(key: string, value: string): void {
		this.items.set(key, value);
	}

	removeItem(key: string): void {
		this.items.delete(key);
	}
}

/** Lets what has been answered take its course. */
export function settled(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}
