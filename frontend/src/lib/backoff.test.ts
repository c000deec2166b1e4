import { expect, test } from 'vitest';
import { Backoff } from './backoff';

const longest = () => new Backoff(() => 1);
const shortest = () => new Backoff(() => 0);

function delays(backoff: Backoff, count: number): number[] {
	return Array.from({ length: count }, () => backoff.next());
}

test('the first retry comes within a quarter of a second', () => {
	expect(longest().next()).toBe(250);
});

test('the delay doubles up to five seconds and stays there', () => {
	expect(delays(longest(), 8)).toEqual([250, 500, 1000, 2000, 4000, 5000, 5000, 5000]);
});

test('jitter takes away at most half of the delay', () => {
	expect(delays(shortest(), 7)).toEqual([125, 250, 500, 1000, 2000, 2500, 2500]);
});

test('a thousand failures do not make the delay overflow', () => {
	expect(delays(longest(), 2000).at(-1)).toBe(5000);
});

test('after a reset the next delay is a first one', () => {
	const backoff = longest();
	delays(backoff, 5);
	backoff.reset();
	expect(backoff.next()).toBe(250);
});
