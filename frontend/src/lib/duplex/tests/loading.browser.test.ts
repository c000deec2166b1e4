import { afterEach, describe, expect, test, vi } from 'vitest';
import { Backoff } from '../../backoff';
import { CallError } from '../call-error';
import { Loading } from '../loading.svelte';
import type { Loadable, Publication } from '../types';
import { Deferred, settled } from './deferred';

afterEach(() => {
	vi.useRealTimers();
	vi.restoreAllMocks();
});

const publication = (offset: number | null): Publication => ({ data: offset, offset, info: null });
const at = (offset: number): Loadable => ({ position: { epoch: 'e', offset } });

/** A load whose answers come when the test says so, and what was delivered. */
function begin(apply: () => void = () => undefined) {
	const answers: Deferred<Loadable>[] = [];
	const signals: AbortSignal[] = [];
	const delivered: unknown[] = [];
	const ended = vi.fn();
	const loading = new Loading({
		load: (signal) => {
			const answer = new Deferred<Loadable>();
			answers.push(answer);
			signals.push(signal);
			return answer.promise;
		},
		apply: ({ position }) => {
			delivered.push(`state ${position.offset}`);
			apply();
		},
		deliver: ({ data }) => delivered.push(data),
		ended,
		backoff: new Backoff(() => 1)
	});
	loading.start();
	return { loading, answers, signals, delivered, ended };
}

describe('while the state is being loaded', () => {
	test('publications are held back, and those that it already has are left out', async () => {
		const { loading, answers, delivered, ended } = begin();
		for (const offset of [4, 5, 6, 7]) loading.receive(publication(offset));
		expect(delivered).toEqual([]);
		expect(loading.isComplete).toBe(false);

		answers[0]?.resolve(at(5));
		await settled();

		expect(delivered).toEqual(['state 5', 6, 7]);
		expect(loading.isComplete).toBe(true);
		expect(ended).toHaveBeenCalledOnce();
	});

	test('publications without a place count as new', async () => {
		const { loading, answers, delivered } = begin();
		loading.receive(publication(null));

		answers[0]?.resolve(at(5));
		await settled();

		expect(delivered).toEqual(['state 5', null]);
	});

	test('a publication that the state has is left out also when it comes later', async () => {
		const { loading, answers, delivered } = begin();
		answers[0]?.resolve(at(5));
		await settled();

		for (const offset of [5, 6]) loading.receive(publication(offset));

		expect(delivered).toEqual(['state 5', 6]);
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
		expect(delivered).toEqual(['state 0', 2]);
	});

	test('stopping leaves no timer and no answer behind', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		const { loading, answers, signals } = begin();
		answers[0]?.reject(new CallError('load', { type: 'unreachable' }, ''));
		await settled();
		expect(vi.getTimerCount()).toBe(1);

		loading.stop();

		expect(vi.getTimerCount()).toBe(0);
		expect(signals[0]?.aborted).toBe(true);
	});

	test('an answer that comes after stopping is not taken', async () => {
		const { loading, answers, delivered, ended } = begin();

		loading.stop();
		answers[0]?.resolve(at(5));
		await settled();

		expect(delivered).toEqual([]);
		expect(loading.isComplete).toBe(false);
		expect(ended).not.toHaveBeenCalled();
	});

	test('who takes the state may stop it', async () => {
		const { loading, answers, ended } = begin(() => loading.reset());

		answers[0]?.resolve(at(5));
		await settled();

		expect(loading.isComplete).toBe(false);
		expect(ended).not.toHaveBeenCalled();
	});

	test('a thousand publications are held back; with more than that, a later state is loaded', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		const noted = vi.spyOn(console, 'warn').mockReturnValue();
		const { loading, answers, delivered } = begin();
		for (let offset = 1; offset <= 1001; offset += 1) loading.receive(publication(offset));

		answers[0]?.resolve(at(0));
		await settled();
		expect(delivered).toEqual([]);
		expect(loading.problem).toEqual({
			type: 'failed',
			code: 0,
			message: 'more than 1000 publications came during a load'
		});
		expect(noted).toHaveBeenCalledOnce();
		vi.advanceTimersByTime(250);
		for (let offset = 1002; offset <= 2001; offset += 1) loading.receive(publication(offset));
		answers[1]?.resolve(at(1001));
		await settled();

		expect(delivered).toHaveLength(1001);
		expect(loading.isComplete).toBe(true);
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

		expect(loading.problem).toEqual({ type: 'failed', code: 0, message: 'a mistake' });

		answers[3]?.resolve(at(5));
		await settled();

		expect(loading.isComplete).toBe(true);
		expect(loading.problem).toBeNull();
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

	test('tells its first failure, so that nobody waits for it', async () => {
		vi.spyOn(console, 'warn').mockReturnValue();
		const { loading, answers, ended } = begin();
		expect(loading.isPending).toBe(true);

		answers[0]?.reject(new CallError('load', { type: 'denied' }, 'load: not allowed'));
		await settled();

		expect(ended).toHaveBeenCalledOnce();
		expect(loading.isPending).toBe(false);
	});

	test.each([
		{ type: 'changed' } as const,
		{ type: 'denied' } as const,
		{ type: 'malformed', message: '' } as const,
		{ type: 'signed_out' } as const
	])('as $type is not tried again before the next start', async (reason) => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		vi.spyOn(console, 'warn').mockReturnValue();
		const { loading, answers } = begin();

		answers[0]?.reject(new CallError('load', reason, ''));
		await settled();
		expect(vi.getTimerCount()).toBe(0);
		expect(loading.problem).toEqual(reason);
		loading.start();

		expect(answers).toHaveLength(2);
	});

	test('because its component chokes on the state is tried again too', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		const reported = vi.spyOn(console, 'error').mockReturnValue();
		const choke = vi.fn(() => {
			throw new Error('choked');
		});
		const { loading, answers } = begin(choke);
		answers[0]?.resolve(at(5));
		await settled();
		expect(loading.isComplete).toBe(false);
		expect(reported).toHaveBeenCalledExactlyOnceWith(new Error('choked'));

		choke.mockReturnValue(undefined as never);
		vi.advanceTimersByTime(250);
		answers[1]?.resolve(at(5));
		await settled();

		expect(loading.isComplete).toBe(true);
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
