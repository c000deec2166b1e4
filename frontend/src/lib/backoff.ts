/** The longest that the first retry waits: a restarted server is usually back by then. */
const FIRST_CEILING_MS = 250;

/** The longest that any retry waits. */
const LAST_CEILING_MS = 5_000;

/**
 * How long to wait before the next attempt: exponential, capped, and jittered over the upper half of the range, so
 * that the pages of a restarted server do not return in one wave. Knows neither timers nor sockets.
 */
export class Backoff {
	#attempts = 0;
	readonly #random: () => number;

	constructor(random: () => number = Math.random) {
		this.#random = random;
	}

	/** The delay before the next attempt, in milliseconds. */
	next(): number {
		const ceiling = Math.min(FIRST_CEILING_MS * 2 ** this.#attempts, LAST_CEILING_MS);
		this.#attempts += 1;
		return Math.round(ceiling * (0.5 + this.#random() / 2));
	}

	/** Forgets the failed attempts: the next delay is a first one again. */
	reset(): void {
		this.#attempts = 0;
	}
}
