import { expect, test } from 'vitest';
import { describe } from '../describe';
import type { Status } from '../types';

const NOW = 1_000_000;
const connected = (outcome: 'pending' | 'caught-up' | 'gap', missed: number): Status => ({
	state: 'connected',
	recovery: { outcome, away: 5_000, missed }
});
const reconnecting = (lostAgo: number, retryIn: number | null): Status => ({
	state: 'reconnecting',
	lostAt: NOW - lostAgo,
	retryAt: retryIn === null ? null : NOW + retryIn
});

test.each<[string, Status]>([
	['Not connected', { state: 'idle' }],
	['Connecting', { state: 'connecting' }],
	['Connected', { state: 'connected', recovery: null }],
	['Connected, catching up', connected('pending', 3)],
	['Caught up, nothing missed', connected('caught-up', 0)],
	['Caught up, 1 missed message', connected('caught-up', 1)],
	['Caught up, 4 missed messages', connected('caught-up', 4)],
	['Some messages may be missing', connected('gap', 4)],
	['Reconnecting in 3 s', reconnecting(9_000, 2_001)],
	['Reconnecting in 1 s', reconnecting(9_000, 1_000)],
	['Reconnecting in 1 s', reconnecting(9_000, -50)],
	['Reconnecting, lost for 5 s', reconnecting(4_500, null)],
	['Reconnecting, lost for 1 s', reconnecting(0, null)],
	['Closed', { state: 'closed', code: 0, reason: 'disconnect called' }],
	['Closed', { state: 'closed', code: 3, reason: 'message size limit exceeded' }],
	['Closed by the server: unauthorized', { state: 'closed', code: 101, reason: 'unauthorized' }],
	['Closed by the server: bad request', { state: 'closed', code: 3501, reason: 'bad request' }]
])('%s', (words, status) => {
	expect(describe(status, NOW)).toBe(words);
});
