import { expect, test } from 'vitest';
import { initials, people, shadeOf } from './people';

const member = (client: string, user: string) => ({ client, user, info: null });

test('a person with two windows is one person', () => {
	const members = [member('1', 'Bob'), member('2', 'Ada'), member('3', 'Bob')];

	expect(people(members, 'Eve')).toEqual([
		{ name: 'Ada', own: false, windows: 1 },
		{ name: 'Bob', own: false, windows: 2 }
	]);
});

test('oneself comes first', () => {
	const members = [member('1', 'Ada'), member('2', 'Bob'), member('3', 'Cem')];

	expect(people(members, 'Cem').map(({ name }) => name)).toEqual(['Cem', 'Ada', 'Bob']);
});

test.each([
	['Ada', 'A'],
	['ada lovelace', 'AL'],
	['  Grace  Brewster Murray Hopper ', 'GH'],
	['🙂', '🙂'],
	['', '']
])('the initials of %j are %j', (name, letters) => {
	expect(initials(name)).toBe(letters);
});

test('a name has one shade, and names have different ones', () => {
	const names = ['Ada', 'Bob', 'Cem', 'Dora', 'Eve', 'Frank', 'Grace', 'Heidi'];
	const shades = names.map((name) => shadeOf(name, 6));

	expect(names.map((name) => shadeOf(name, 6))).toEqual(shades);
	expect(new Set(shades).size).toBeGreaterThan(3);
	for (const shade of shades) expect(shade).toBeLessThan(6);
});
