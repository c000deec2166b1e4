import { describe, expect, test } from 'vitest';
import type { Unsent } from './outbox.svelte';
import { rows, type Content, type MessageRow } from './rows';
import { message } from './testing';

const MINUTE = 60_000;
const noon = new Date(2025, 2, 11, 12).getTime();

const unsent = (nonce: string, written = noon): Unsent => ({
	room: 'lobby',
	author: 'Ada',
	text: `text of ${nonce}`,
	nonce,
	written
});
const rowsOf = (content: Partial<Content>) =>
	rows({ user: 'Ada', messages: [], sending: [], failed: [], ...content });
const messagesOf = (content: Partial<Content>) =>
	rowsOf(content).filter((row): row is MessageRow => row.kind === 'message');

test('no messages make no rows', () => {
	expect(rowsOf({})).toEqual([]);
});

describe('days', () => {
	test('begin with a row of their own', () => {
		const messages = [
			message({ id: 1, sent: noon }),
			message({ id: 2, sent: noon + MINUTE }),
			message({ id: 3, sent: noon + 24 * 60 * MINUTE })
		];

		expect(rowsOf({ messages }).map(({ kind }) => kind)).toEqual([
			'day',
			'message',
			'message',
			'day',
			'message'
		]);
	});

	test('have different keys, even if the clock went back over midnight', () => {
		const sent = [noon, noon + 24 * 60 * MINUTE, noon].map((at, id) => message({ id, sent: at }));
		const keys = rowsOf({ messages: sent }).map(({ key }) => key);

		expect(new Set(keys).size).toBe(6);
	});
});

describe('groups', () => {
	const leads = (...parts: Parameters<typeof message>[0][]) =>
		messagesOf({
			messages: parts.map((part, id) => message({ id, sent: noon + id, ...part }))
		}).map((row) => row.leads);

	test('are what one author says in a row', () => {
		expect(
			leads({ author: 'Ada' }, { author: 'Ada' }, { author: 'Bob' }, { author: 'Ada' })
		).toEqual([true, false, true, true]);
	});

	test('end with a pause', () => {
		expect(
			leads({ sent: noon }, { sent: noon + 5 * MINUTE - 1 }, { sent: noon + 10 * MINUTE })
		).toEqual([true, false, true]);
	});

	test('end with the day', () => {
		const midnight = new Date(2025, 2, 12).getTime();
		expect(leads({ sent: midnight - 1 }, { sent: midnight })).toEqual([true, true]);
	});

	test('do not mix a visitor with somebody outside who has the same name', () => {
		expect(leads({ outside: false }, { outside: true })).toEqual([true, true]);
		expect(messagesOf({ messages: [message({ outside: true })] })[0]?.own).toBe(false);
	});
});

describe('what is not sent', () => {
	test('comes last: what has failed, then what is on its way', () => {
		const shown = messagesOf({
			messages: [message({ id: 7, author: 'Bob', sent: noon + MINUTE })],
			sending: [unsent('sending')],
			failed: [unsent('failed')]
		});

		expect(shown.map(({ delivery, own }) => [delivery, own])).toEqual([
			['sent', false],
			['failed', true],
			['sending', true]
		]);
	});

	test('keeps its key when it becomes a real message', () => {
		const [before] = messagesOf({ sending: [unsent('n')] });
		const [after] = messagesOf({ messages: [message({ nonce: 'n', sent: noon })] });

		expect(after?.key).toBe(before?.key);
		expect(after?.delivery).toBe('sent');
	});

	test('is not shown beside its own message, whichever comes first', () => {
		const messages = [message({ nonce: 'n', sent: noon })];

		expect(messagesOf({ messages, sending: [unsent('n')] })).toHaveLength(1);
		expect(messagesOf({ messages, failed: [unsent('n')] })).toHaveLength(1);
	});
});

describe('a row in which nothing has changed is the same', () => {
	const messages = [1, 2, 3].map((id) => message({ id, sent: noon + id }));

	test('when a message is added', () => {
		const before = messagesOf({ messages });
		const after = messagesOf({ messages: [...messages, message({ id: 4, sent: noon + 4 })] });

		expect(before.map((row, index) => row === after[index])).toEqual([true, true, true]);
	});

	test('but not when its author has to be shown', () => {
		const before = messagesOf({ messages });
		const after = messagesOf({ messages: messages.slice(1) });

		expect(after.map(({ leads }) => leads)).toEqual([true, false]);
		expect(after[1]).toBe(before[2]);
	});

	test('but not for another reader', () => {
		expect(messagesOf({ messages, user: 'Bob' }).map(({ own }) => own)).toEqual([
			false,
			false,
			false
		]);
		expect(messagesOf({ messages })[0]?.own).toBe(true);
	});

	test('when it is not sent yet, until it could not be', () => {
		const hello = unsent('n');
		const [sending] = messagesOf({ sending: [hello] });

		expect(messagesOf({ sending: [hello] })[0]).toBe(sending);
		expect(messagesOf({ failed: [hello] })[0]?.delivery).toBe('failed');
	});
});

test('a nonce of somebody else makes no key', () => {
	const messages = [
		message({ id: 1, author: 'Bob', nonce: 'n' }),
		message({ id: 2, author: 'Ada', nonce: 'n' })
	];
	const keys = messagesOf({ messages }).map(({ key }) => key);

	expect(new Set(keys).size).toBe(2);
});
