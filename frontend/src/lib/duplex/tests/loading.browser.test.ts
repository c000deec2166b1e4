import { afterEach, describe, expect, test, vi } from 'vitest';
import { Backoff } from '../../backoff';
import { CallError } from '../call-error';
import { Loading } from '../loading.svelte';
import type { Position, Publication } from '../types';
import { Deferred, settled } from './deferred';

afterEach(() => {
	vi.useRealTimers();
	vi.restoreAllMocks();
});

const publication = (offset: number | null): Publication => ({ data: offset, offset, info: null });
const at = (offset: number): Position => ({ epoch: 'e', offset });

/** A load whose answers come when the test says so, and what was delivered. */
function begin() {
	const answers: Deferred<Position>[] = [];
	const signals: AbortSignal[] = [];
	const delivered: unknown[] = [];
	const loaded = vi.fn();
	const loading = new Loading({
		load: (signal) => {
			const answer = new Deferred<Position>();
			answers.push(answer);
			signals.push(signal);
			return answer.promise;
		},
		deliver: ({ data }) => delivered.push(data),
		loaded,
		backoff: new Backoff(() => 1)
	});
	loading.start();
	return { loading, answers, signals, delivered, loaded };
}

describe('while the state is being loaded', () => {
	test('publications are held back, and those that it already has are left out', async () => {
		const { loading, answers, delivered, loaded } = begin();
		for (const offset of [4, 5, 6, 7]) loading.receive(publication(offset));
		expect(delivered).toEqual([]);
		expect(loading.isComplete).toBe(false);

		answers[0]?.resolve(at(5));
		await settled();

		expect(delivered).toEqual([6, 7]);
		expect(loading.isComplete).toBe(true);
		expect(loaded).toHaveBeenCalledOnce();
	});

	test('publications without a place count as new', async () => {
		const { loading, answers, delivered } = begin();
		loading.receive(publication(null));

		answers[0]?.resolve(at(5));
		await settled();

		expect(delivered).toEqual([null]);
	});

	test('a publication that the state has is left out also when it comes later', async () => {
		const { loading, answers, delivered } = begin();
		answers[0]?.resolve(at(5));
		await settled();

		for (const offset of [5, 6]) loading.receive(publication(offset));

		expect(delivered).toEqual([6]);
	});

	test('a new start makes the answer to the former pointless', async () => {
		const { loading, answers, signals, delivered } = begin();
		loading.receive(publication(1));

		loading.start();
		loading.receive(publication(2));
		answers[1]?.resolve(at(0));
		answers[0]?.resolve(at(9));
		await settled();

		expect(signals.map(({ aborted }) => aborted)).toEqual([true, false]);
		expect(delivered).toEqual([2]);
	});

	test('stopping leaves no timer and no answer behind', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		const { loading, answers, signals, loaded } = begin();
		answers[0]?.reject(new CallError('load', { type: 'unreachable' }, ''));
		await settled();
		expect(vi.getTimerCount()).toBe(1);

		loading.stop();

		expect(vi.getTimerCount()).toBe(0);
		expect(signals[0]?.aborted).toBe(true);
		expect(loaded).not.toHaveBeenCalled();
	});

	test('an answer that comes after stopping is not taken', async () => {
		const { loading, answers, loaded } = begin();

		loading.stop();
		answers[0]?.resolve(at(5));
		await settled();

		expect(loading.isComplete).toBe(false);
		expect(loaded).not.toHaveBeenCalled();
	});
});

describe('a load that fails', () => {
	test('is tried again after delays that grow, and its failure is told once', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		const reported = vi.spyOn(console, 'error').mockReturnValue();
		const { loading, answers } = begin();
		for (const [attempt, delay] of [250, 500, 1000].entries()) {
			answers[attempt]?.reject(new TypeError('a mistake'));
			await settled();
			vi.advanceTimersByTime(delay - 1);
			expect(answers).toHaveLength(attempt + 1);
			vi.advanceTimersByTime(1);
			expect(answers).toHaveLength(attempt + 2);
		}

		answers[3]?.resolve(at(5));
		await settled();

		expect(loading.isComplete).toBe(true);
		expect(reported).toHaveBeenCalledExactlyOnceWith(new TypeError('a mistake'));
	});

	test('because it is refused is noted, and not taken for a mistake', async () => {
		const noted = vi.spyOn(console, 'warn').mockReturnValue();
		const reported = vi.spyOn(console, 'error').mockReturnValue();
		const { loading, answers } = begin();

		answers[0]?.reject(new CallError('load', { type: 'denied' }, 'load: not allowed'));
		await settled();
		loading.stop();

		expect(noted).toHaveBeenCalledExactlyOnceWith('load: not allowed');
		expect(reported).not.toHaveBeenCalled();
	});

	test('for want of a connection is told nobody', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		const noted = vi.spyOn(console, 'warn').mockReturnValue();
		const reported = vi.spyOn(console, 'error').mockReturnValue();
		const { answers } = begin();

		answers[0]?.reject(new CallError('load', { type: 'unreachable' }, ''));
		await settled();
		vi.advanceTimersByTime(250);

		expect(answers).toHaveLength(2);
		expect(noted).not.toHaveBeenCalled();
		expect(reported).not.toHaveBeenCalled();
	});
});
