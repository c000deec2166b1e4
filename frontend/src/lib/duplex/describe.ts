/** A connection's status in words for people. Knows no clock: `now` is passed in. */
import type { Recovery, Status } from './types';

export function describe(status: Status, now: number): string {
	switch (status.state) {
		case 'idle':
			return 'Not connected';
		case 'connecting':
			return 'Connecting';
		case 'connected':
			return status.recovery === null ? 'Connected' : recovered(status.recovery);
		case 'reconnecting':
			return status.retryAt === null
				? `Reconnecting, lost for ${seconds(now - status.lostAt)}`
				: `Reconnecting in ${seconds(status.retryAt - now)}`;
		case 'closed':
			return status.code < 100 ? 'Closed' : `Closed by the server: ${status.reason}`;
	}
}

function recovered({ outcome, missed }: Recovery): string {
	if (outcome === 'pending') return 'Connected, catching up';
	if (outcome === 'gap') return 'Some messages may be missing';
	if (missed === 0) return 'Caught up, nothing missed';
	return `Caught up, ${missed} missed ${missed === 1 ? 'message' : 'messages'}`;
}

/** At least one: "in 0 s" says nothing. */
function seconds(milliseconds: number): string {
	return `${Math.max(1, Math.ceil(milliseconds / 1000))} s`;
}
