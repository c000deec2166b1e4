/** Who an entry comes from: this page, the server, a GET request, or the state of the connection. */
export type EntryKind = 'sent' | 'received' | 'request' | 'connection' | 'error';

export interface Entry {
	id: number;
	/** When, in milliseconds since the epoch. */
	at: number;
	kind: EntryKind;
	text: string;
}

/** How many entries are kept. A page may stay open for days, and its memory must not grow with them. */
const MAX_ENTRIES = 500;

/** How much of one message is shown, in UTF-16 units. A message may be megabytes long, which no one reads in a list. */
const MAX_TEXT = 10_000;

/** What has happened, newest last. Forgets the oldest entries and shortens long ones, and says so. */
export class Journal {
	#entries = $state.raw<readonly Entry[]>([]);
	#nextId = 0;

	get entries(): readonly Entry[] {
		return this.#entries;
	}

	add(kind: EntryKind, text: string): void {
		const entry = { id: this.#nextId, at: Date.now(), kind, text: shorten(text) };
		this.#nextId += 1;
		this.#entries = [...this.#entries.slice(1 - MAX_ENTRIES), entry];
	}
}

function shorten(text: string): string {
	if (text.length <= MAX_TEXT) return text;
	return `${text.slice(0, MAX_TEXT)}… (${text.length - MAX_TEXT} more characters)`;
}
