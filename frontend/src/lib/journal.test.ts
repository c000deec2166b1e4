import { expect, test } from 'vitest';
import { Journal } from './journal.svelte';

test('entries are in the order in which they came', () => {
	const journal = new Journal();
	journal.add('sent', 'one');
	journal.add('received', 'two');

	expect(journal.entries.map(({ kind, text }) => [kind, text])).toEqual([
		['sent', 'one'],
		['received', 'two']
	]);
});

test('only the newest five hundred entries are kept', () => {
	const journal = new Journal();
	for (let count = 0; count < 501; count += 1) journal.add('received', String(count));

	expect(journal.entries).toHaveLength(500);
	expect(journal.entries[0]?.text).toBe('1');
	expect(journal.entries.at(-1)?.text).toBe('500');
});

test('entries keep their identity when older ones are forgotten', () => {
	const journal = new Journal();
	for (let count = 0; count < 600; count += 1) journal.add('received', 'same');

	expect(new Set(journal.entries.map((entry) => entry.id)).size).toBe(500);
});

test('a very long message is shortened, and says by how much', () => {
	const journal = new Journal();
	journal.add('received', 'x'.repeat(10_007));

	expect(journal.entries[0]?.text).toBe(`${'x'.repeat(10_000)}… (7 more characters)`);
});
