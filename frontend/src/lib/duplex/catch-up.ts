import type { Recovery } from './types';

/** What one channel got when it was subscribed again. */
export interface Regained {
	/** How many of the publications that were missed came late. */
	missed: number;
	/** Whether others did not come. */
	gap: boolean;
}

/**
 * The account of one lost connection: which channels have yet to say what became of what they missed. Knows no clock and no
 * socket. A connection that is lost again before all have spoken adds to the same account, so that no gap is forgotten.
 */
export class CatchUp {
	readonly lostAt: number;
	#away = 0;
	#missed = 0;
	#gap = false;
	#awaited: Set<string> | null = null;

	constructor(lostAt: number) {
		this.lostAt = lostAt;
	}

	/** The connection stands again, and these channels are about to be subscribed again. */
	regained(now: number, channels: Iterable<string>): void {
		this.#away = now - this.lostAt;
		this.#awaited = new Set(channels);
	}

	/** Takes down what a channel got; false if nobody waited for it. */
	settle(channel: string, { missed, gap }: Regained): boolean {
		if (!this.#awaited?.delete(channel)) return false;
		this.#missed += missed;
		this.#gap ||= gap;
		return true;
	}

	get recovery(): Recovery {
		const outcome = this.isPending ? 'pending' : this.#gap ? 'gap' : 'caught-up';
		return { outcome, away: this.#away, missed: this.#missed };
	}

	get isPending(): boolean {
		return this.#awaited === null || this.#awaited.size > 0;
	}
}
