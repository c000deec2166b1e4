import { Optimistic, type Reason } from '$lib/duplex';
import type { TabStorage } from './storage';

const STORAGE_KEY = 'duplex:unsent';

/** A message that the server does not have, as far as this page knows. */
export interface Unsent {
	room: string;
	author: string;
	text: string;
	/** Sent again with the same nonce, it is stored once. */
	nonce: string;
	/** When, in milliseconds since 1970. */
	written: number;
}

/**
 * Messages between the composer and the server: those on their way, and those that could not be sent and wait for a
 * decision. A page that is loaded again has them all among the latter, as it cannot know what became of them.
 */
export class Outbox {
	readonly #sending = new Optimistic<Unsent>();
	#failed = $state.raw<readonly Unsent[]>([]);
	readonly #storage: TabStorage;

	constructor(storage: TabStorage) {
		this.#storage = storage;
		this.#failed = parse(storage.getItem(STORAGE_KEY));
	}

	/** What is on its way in one room. */
	sending(room: string, author: string): readonly Unsent[] {
		return this.#sending.pending.filter(belongsTo(room, author));
	}

	/** What could not be sent in one room. */
	failed(room: string, author: string): readonly Unsent[] {
		return this.#failed.filter(belongsTo(room, author));
	}

	/** Shows the message as being sent while `deliver` runs. @throws whatever `deliver` throws. */
	async send(unsent: Unsent, deliver: () => Promise<void>): Promise<void> {
		this.#failed = this.#failed.filter(({ nonce }) => nonce !== unsent.nonce);
		const sent = this.#sending.run(unsent, deliver);
		this.#save();
		try {
			await sent;
		} finally {
			this.#save();
		}
	}

	/** Keeps a message that could not be sent, until it is sent again or discarded. */
	keep(unsent: Unsent): void {
		this.#failed = [...this.#failed, unsent];
		this.#save();
	}

	/** Forgets a message that is not wanted any more, or has arrived after all; false if there is none. */
	discard(discarded: string): boolean {
		const left = this.#failed.filter(({ nonce }) => nonce !== discarded);
		if (left.length === this.#failed.length) return false;
		this.#failed = left;
		this.#save();
		return true;
	}

	#save(): void {
		const unsent = [...this.#failed, ...this.#sending.pending];
		if (unsent.length === 0) this.#storage.removeItem(STORAGE_KEY);
		else this.#storage.setItem(STORAGE_KEY, JSON.stringify(unsent));
	}
}

/**
 * Whether the text of a message that was not sent goes back to where it was written. That is how a refusal is taken
 * back, if nothing else has been written there meanwhile. A message that may have arrived all the same stays one: only
 * with its own nonce can it be sent again without being there twice.
 */
export function goesBack(reason: Reason<'chat.send'>, composer: string): boolean {
	const mayHaveArrived = reason.type === 'unreachable' || reason.type === 'failed';
	return !mayHaveArrived && composer === '';
}

const belongsTo = (room: string, author: string) => (unsent: Unsent) =>
	unsent.room === room && unsent.author === author;

/** Another version of the page may have written something else. */
function parse(stored: string | null): readonly Unsent[] {
	try {
		const value: unknown = JSON.parse(stored ?? '[]');
		return Array.isArray(value) ? value.filter(isUnsent) : [];
	} catch {
		return [];
	}
}

function isUnsent(value: unknown): value is Unsent {
	if (typeof value !== 'object' || value === null) return false;
	const { room, author, text, nonce, written } = value as Partial<Record<keyof Unsent, unknown>>;
	return (
		[room, author, text, nonce].every((part) => typeof part === 'string') &&
		typeof written === 'number'
	);
}
