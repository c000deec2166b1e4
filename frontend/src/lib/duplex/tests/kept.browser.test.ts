import { flushSync } from 'svelte';
import { expect, test } from 'vitest';
import { Kept } from '../kept';
import { seen } from './page.svelte';

function add(kept: Kept<number>, from: number, to: number): void {
	for (let value = from; value <= to; value += 1) kept.add(value);
}

test('the newest are kept, newest last', () => {
	const kept = new Kept<number>(3);
	add(kept, 1, 2);
	expect(kept.values).toEqual([1, 2]);
	add(kept, 3, 100);
	expect(kept.values).toEqual([98, 99, 100]);
});

test('an array that was handed out does not change', () => {
	const kept = new Kept<number>(3);
	add(kept, 1, 3);
	const before = kept.values;

	add(kept, 4, 20);

	expect(before).toEqual([1, 2, 3]);
	expect(kept.values).not.toBe(before);
	expect(kept.values).toBe(kept.values);
});

test('keeping none keeps none', () => {
	const kept = new Kept<number>(0);
	add(kept, 1, 5);
	expect(kept.values).toEqual([]);
});

test('a lower limit forgets the oldest, a higher one brings none back', () => {
	const kept = new Kept<number>(4);
	add(kept, 1, 8);
	kept.limit = 2;
	expect(kept.values).toEqual([7, 8]);
	kept.limit = 10;
	expect(kept.values).toEqual([7, 8]);
});

test('thousands that come at once are shown at once', () => {
	const kept = new Kept<number>(500);
	const shown = seen(() => kept.values);

	add(kept, 1, 10_000);
	flushSync();

	expect(shown.map(({ length }) => length)).toEqual([0, 500]);
	kept.clear();
	flushSync();
	expect(shown.at(-1)).toEqual([]);
});
