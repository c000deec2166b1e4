import { SvelteMap } from 'svelte/reactivity';
import type { TabStorage } from './storage';

/** Where somebody writes. */
export interface Desk {
	room: string;
	author: string;
}

/**
 * What has been written and not been sent: each room has a draft of each author's, as a tab may have several of them one
 * after the other. It outlives a change of rooms and a reload of the page, and ends with the tab.
 */
export class Drafts {
	readonly #texts = new SvelteMap<string, string>();
	readonly #storage: TabStorage;

	constructor(storage: TabStorage) {
		this.#storage = storage;
	}

	of(desk: Desk): string {
		return this.#texts.get(key(desk)) ?? this.#storage.getItem(key(desk)) ?? '';
	}

	set(desk: Desk, text: string): void {
		this.#texts.set(key(desk), text);
		if (text === '') this.#storage.removeItem(key(desk));
		else this.#storage.setItem(key(desk), text);
	}
}

/** Rooms come first, as their names have no colon. */
const key = ({ room, author }: Desk) => `duplex:draft:${room}:${author}`;
