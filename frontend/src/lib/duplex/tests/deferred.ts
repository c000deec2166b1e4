/** Answers that come when the test says so. */
import { Recording } from '../../testing';
import type { Loadable } from '../types';

export class Deferred<T> {
	resolve!: (value: T) => void;
	reject!: (error: unknown) => void;
	readonly promise = new Promise<T>((resolve, reject) => {
		this.resolve = resolve;
		this.reject = reject;
	});
}

/** A load under way. */
export interface Load {
	answer: Deferred<Loadable>;
	signal: AbortSignal;
}

/** A channel's `load`, and each time that it is called. */
export class Loads {
	readonly #begun = new Recording<Load>();

	readonly load = (signal: AbortSignal): Promise<Loadable> => {
		const answer = new Deferred<Loadable>();
		this.#begun.add({ answer, signal });
		return answer.promise;
	};

	/** The next one that nobody has asked for. */
	next(): Promise<Load> {
		return this.#begun.next();
	}
}

/** Lets every promise continue that can. */
export function settled(): Promise<void> {
	return new Promise((resolve) => setImmediate(resolve));
}
