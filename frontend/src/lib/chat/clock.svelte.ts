import { createSubscriber } from 'svelte/reactivity';

/** The time, which goes on for whoever looks at it. It costs nothing while nobody does. */
export class Clock {
	readonly #subscribe: () => void;

	/** `interval` is in milliseconds. */
	constructor(interval: number) {
		this.#subscribe = createSubscriber((update) => {
			const timer = setInterval(update, interval);
			return () => clearInterval(timer);
		});
	}

	/** In milliseconds since 1970. */
	get now(): number {
		this.#subscribe();
		return Date.now();
	}
}

/** For countdowns. */
export const seconds = new Clock(250);

/** For "5 min ago", and for midnight. */
export const minutes = new Clock(15_000);
