import { expect, test } from 'vitest';
import { Reader } from './reader.svelte';

test('a reader at the end is taken along, and misses nothing', () => {
	const reader = new Reader();
	reader.scrolled(10);
	reader.arrived(true);

	expect(reader.following).toBe(true);
	expect(reader.unseen).toBe(0);
});

test('a reader who has scrolled back is left there, and told how much has come', () => {
	const reader = new Reader();
	reader.scrolled(500);
	reader.arrived(true);
	reader.arrived(true);

	expect(reader.following).toBe(false);
	expect(reader.unseen).toBe(2);
});

test('scrolling to the end by hand is as good as the button', () => {
	for (const atEnd of [
		(reader: Reader) => reader.scrolled(0),
		(reader: Reader) => reader.follow()
	]) {
		const reader = new Reader();
		reader.scrolled(500);
		reader.arrived(true);
		atEnd(reader);

		expect(reader.following).toBe(true);
		expect(reader.unseen).toBe(0);
	}
});

test('what comes while nobody is looking is seen on the return', () => {
	const reader = new Reader();
	reader.arrived(false);
	expect(reader.unseen).toBe(1);

	reader.returned();

	expect(reader.unseen).toBe(0);
});

test('a reader who has scrolled back still has not seen it on the return', () => {
	const reader = new Reader();
	reader.scrolled(500);
	reader.arrived(false);
	reader.returned();

	expect(reader.unseen).toBe(1);
});
