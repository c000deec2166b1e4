import { flushSync } from 'svelte';
import { expect, test } from 'vitest';
import { Optimistic } from '../optimistic.svelte';
import { Deferred } from './deferred';
import { effect, seen } from './page.svelte';

test('a value is pending while its work runs, and the work brings what it brings', async () => {
	const optimistic = new Optimistic<string>();
	const pending = seen(() => optimistic.pending);
	const work = new Deferred<number>();

	const run = optimistic.run('hello', () => work.promise);
	flushSync();
	work.resolve(5);

	expect(await run).toBe(5);
	flushSync();
	expect(pending).toEqual([[], ['hello'], []]);
});

test('a value is taken back when its work fails, and the failure goes on', async () => {
	const optimistic = new Optimistic<string>();
	const failure = new Error('no');

	const run = optimistic.run('hello', () => Promise.reject(failure));
	expect(optimistic.pending).toEqual(['hello']);

	await expect(run).rejects.toBe(failure);
	expect(optimistic.pending).toEqual([]);
});

test('of equal values each goes with its own work', async () => {
	const optimistic = new Optimistic<string>();
	const [first, second] = [new Deferred<void>(), new Deferred<void>()];
	const runs = [
		optimistic.run('a', () => first.promise),
		optimistic.run('b', () => new Promise(() => undefined)),
		optimistic.run('a', () => second.promise)
	];
	expect(optimistic.pending).toEqual(['a', 'b', 'a']);

	first.resolve();
	await runs[0];
	expect(optimistic.pending).toEqual(['b', 'a']);
	second.resolve();
	await runs[2];
	expect(optimistic.pending).toEqual(['b']);
});

test('work that begins in an effect does not make the effect run again', () => {
	const optimistic = new Optimistic<number>();
	let runs = 0;

	effect(() => {
		runs += 1;
		if (runs < 10) void optimistic.run(runs, () => new Promise(() => undefined));
	});
	flushSync();

	expect(runs).toBe(1);
});
