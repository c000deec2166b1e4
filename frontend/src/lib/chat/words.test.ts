import { expect, test } from 'vitest';
import type { Reason } from '$lib/duplex';
import { loadProblem, sendProblem } from './words';

const reasons: {
	[Type in Reason<'chat.send'>['type']]: Extract<Reason<'chat.send'>, { type: Type }>;
} = {
	empty: { type: 'empty' },
	too_long: { type: 'too_long', limit: 2000 },
	unprintable: { type: 'unprintable' },
	too_fast: { type: 'too_fast', wait: 1200 },
	bad_room: { type: 'bad_room' },
	nonce_taken: { type: 'nonce_taken' },
	malformed: { type: 'malformed', message: 'text: expected a string' },
	changed: { type: 'changed' },
	signed_out: { type: 'signed_out' },
	denied: { type: 'denied' },
	unreachable: { type: 'unreachable' },
	failed: { type: 'failed', code: 100, message: 'internal server error' }
};

test('every reason has words of its own', () => {
	const words = Object.values(reasons).map(sendProblem);

	expect(new Set(words).size).toBe(words.length);
	for (const sentence of words) expect(sentence).toMatch(/^[A-Z].+[.)a-z]$/);
});

test('what the server adds is said', () => {
	expect(sendProblem(reasons.too_long)).toContain('2000');
	expect(sendProblem(reasons.too_fast)).toContain('2 seconds');
	expect(sendProblem({ type: 'too_fast', wait: 3 })).toContain('a second');
	expect(sendProblem(reasons.malformed)).toContain('text: expected a string');
	expect(loadProblem(reasons.failed)).toContain('internal server error');
});
