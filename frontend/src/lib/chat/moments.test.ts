import { expect, test } from 'vitest';
import { agoOf, dayOf } from './moments';

/** A Tuesday, at five past one in the morning. */
const now = new Date(2025, 2, 11, 1, 5).getTime();

test.each([
	[new Date(2025, 2, 11, 0, 0), 'Today'],
	[new Date(2025, 2, 11, 23, 59), 'Today'],
	[new Date(2025, 2, 10, 23, 59), 'Yesterday'],
	[new Date(2025, 2, 10, 0, 0), 'Yesterday']
])('the day of %s is %s', (moment, words) => {
	expect(dayOf(moment.getTime(), now)).toBe(words);
});

test('other days have a date, with the year only if it is another one', () => {
	expect(dayOf(new Date(2025, 2, 9).getTime(), now)).not.toContain('2025');
	expect(dayOf(new Date(2024, 11, 31).getTime(), now)).toContain('2024');
});

test.each([
	[0, 'now'],
	[-5_000, 'now'],
	[59_999, 'now'],
	[60_000, '1 min'],
	[3_599_999, '59 min'],
	[3_600_000, '1 h'],
	[2 * 3_600_000, 'yesterday']
])('%d ms ago is %s', (age, words) => {
	expect(agoOf(now - age, now)).toBe(words);
});
