import { SvelteMap } from 'svelte/reactivity';
import type { TabStorage } from './storage';

/**
 * What has been written and not been sent, room by room. It outlives a change of rooms and a reload of the page, and
 * ends with the tab.
 */
export class Drafts {
	readonly #texts = new SvelteMap<string, string>();
	readonly #storage: TabStorage;

	constructor(storage: TabStorage) {
		this.#storage = storage;
	}

	of(room: string): string {
		return this.#texts.get(room) ?? this.#storage.getItem(key(room)) ?? '';
	}

	set(room: string, text: string): void {
		this.#texts.set(room, text);
		if (text === '') this.#storage.removeItem(key(room));
		else this.#storage.setItem(key(room), text);
	}
}

const key = (room: string) => `duplex:draft:${room}`;
