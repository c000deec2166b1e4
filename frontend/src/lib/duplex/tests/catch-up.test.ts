import { expect, test } from 'vitest';
import { CatchUp } from '../catch-up';

const LOST = 1_000;

function regained(...channels: string[]): CatchUp {
	const catchUp = new CatchUp(LOST);
	catchUp.regained(LOST + 500, channels);
	return catchUp;
}

test('nothing is known until the connection is back', () => {
	expect(new CatchUp(LOST).recovery.outcome).toBe('pending');
});

test('a page without channels has missed nothing', () => {
	expect(regained().recovery).toEqual({ outcome: 'caught-up', away: 500, missed: 0 });
});

test('all channels must have spoken, and what they missed is added up', () => {
	const catchUp = regained('a', 'b');

	expect(catchUp.settle('a', { missed: 2, gap: false })).toBe(true);
	expect(catchUp.recovery).toEqual({ outcome: 'pending', away: 500, missed: 2 });
	expect(catchUp.settle('b', { missed: 3, gap: false })).toBe(true);
	expect(catchUp.recovery).toEqual({ outcome: 'caught-up', away: 500, missed: 5 });
});

test('one channel with a gap is a gap', () => {
	const catchUp = regained('a', 'b');
	catchUp.settle('a', { missed: 0, gap: true });
	expect(catchUp.recovery.outcome).toBe('pending');
	catchUp.settle('b', { missed: 1, gap: false });
	expect(catchUp.recovery).toEqual({ outcome: 'gap', away: 500, missed: 1 });
});

test('a channel that nobody waits for changes nothing', () => {
	const catchUp = regained('a');
	expect(catchUp.settle('b', { missed: 9, gap: true })).toBe(false);
	catchUp.settle('a', { missed: 0, gap: false });
	expect(catchUp.settle('a', { missed: 9, gap: true })).toBe(false);
	expect(catchUp.recovery).toEqual({ outcome: 'caught-up', away: 500, missed: 0 });
});

test('a gap is not forgotten when the connection is lost again before all have spoken', () => {
	const catchUp = regained('a', 'b');
	catchUp.settle('a', { missed: 1, gap: true });
	catchUp.regained(LOST + 2_000, ['a', 'b']);
	catchUp.settle('a', { missed: 2, gap: false });
	catchUp.settle('b', { missed: 4, gap: false });

	expect(catchUp.recovery).toEqual({ outcome: 'gap', away: 2_000, missed: 7 });
});
