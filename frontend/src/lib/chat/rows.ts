/** What the list of messages is made of: a row for each day and for each message, sent or not. */
import type { Message } from '$lib/contract/types';
import type { Unsent } from './outbox.svelte';

/** How far apart, in milliseconds, two messages of one author may be and still stand under one name. */
const GROUP_SPAN_MS = 5 * 60 * 1000;

/** Where a message is: with the server, on its way there, or here because it could not be sent. */
export type Delivery = 'sent' | 'sending' | 'failed';

export interface DayRow {
	kind: 'day';
	key: string;
	/** Some moment of the day, in milliseconds since 1970. */
	at: number;
}

export interface MessageRow {
	kind: 'message';
	/** Stays the same when a message that was on its way becomes a real one, so that its element stays as well. */
	key: string;
	author: string;
	own: boolean;
	outside: boolean;
	text: string;
	/** In milliseconds since 1970. */
	sent: number;
	/** Whether it begins a group, and so shows who speaks. */
	leads: boolean;
	delivery: Delivery;
	/** What to retry or discard; null if the server has it. */
	unsent: Unsent | null;
}

export type Row = DayRow | MessageRow;

/** What rows are made from. `user` is who looks at them. */
export interface Content {
	user: string;
	messages: readonly Message[];
	sending: readonly Unsent[];
	failed: readonly Unsent[];
}

/**
 * The rows, oldest first. What is not sent yet comes last, as that is where it will be when it is. A row in which nothing
 * has changed is the same object as before, so that a new message costs no more than itself.
 */
export function rows({ user, messages, sending, failed }: Content): Row[] {
	const known = new Set(messages.map(({ nonce }) => nonce));
	const missing = ({ nonce }: Unsent) => !known.has(nonce);
	return withDays([
		...messages.map((message) => sentRow(message, user)),
		...failed.filter(missing).map((unsent) => unsentRow(unsent, 'failed')),
		...sending.filter(missing).map((unsent) => unsentRow(unsent, 'sending'))
	]);
}

/** The rows that have been made. */
const made = new WeakMap<Message | Unsent, MessageRow>();

/** The same rows where they continue the ones before. */
const continued = new WeakMap<MessageRow, MessageRow>();

function sentRow(message: Message, user: string): MessageRow {
	const { id, author, outside, text, sent, nonce } = message;
	const own = !outside && author === user;
	const before = made.get(message);
	if (before?.own === own) return before;
	// Only one's own are ever on their way here, and only the server's numbers are certainly different.
	const key = own && nonce !== null ? nonce : String(id);
	const rest = { leads: true, delivery: 'sent', unsent: null } as const;
	return kept(made, message, { kind: 'message', key, author, own, outside, text, sent, ...rest });
}

function unsentRow(unsent: Unsent, delivery: Delivery): MessageRow {
	const { nonce, author, text, written } = unsent;
	const before = made.get(unsent);
	if (before?.delivery === delivery) return before;
	const rest = { own: true, outside: false, leads: true, delivery, unsent };
	return kept(made, unsent, { kind: 'message', key: nonce, author, text, sent: written, ...rest });
}

function continuation(row: MessageRow): MessageRow {
	return continued.get(row) ?? kept(continued, row, { ...row, leads: false });
}

function kept<Source extends object>(
	rows: WeakMap<Source, MessageRow>,
	source: Source,
	row: MessageRow
): MessageRow {
	rows.set(source, row);
	return row;
}

/** Puts the days in, and tells each message whether it continues the one before. */
function withDays(messages: readonly MessageRow[]): Row[] {
	return messages.flatMap((row, index) => {
		const previous = messages[index - 1];
		const day = dayOf(row.sent);
		if (previous && dayOf(previous.sent) === day) {
			return [continues(row, previous) ? continuation(row) : row];
		}
		return [{ kind: 'day', key: `${day} before ${row.key}`, at: row.sent }, row];
	});
}

function continues(row: MessageRow, previous: MessageRow): boolean {
	return (
		row.author === previous.author &&
		row.outside === previous.outside &&
		row.sent - previous.sent < GROUP_SPAN_MS
	);
}

/** A name for the reader's own day. */
function dayOf(moment: number): string {
	const date = new Date(moment);
	return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}
