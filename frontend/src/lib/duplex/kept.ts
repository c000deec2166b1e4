import { Snapshot } from './snapshot.svelte';

/** The newest values of a series, reactive as one array. Adding costs the same however many are kept. */
export class Kept<T> {
	/** Up to twice as many as are kept, so that old ones are moved out seldom. */
	#values: T[] = [];
	#limit: number;
	readonly #newest = new Snapshot<readonly T[]>(() =>
		this.#values.slice(Math.max(0, this.#values.length - this.#limit))
	);

	constructor(limit: number) {
		this.#limit = limit;
	}

	/** Newest last; another array after every change. */
	get values(): readonly T[] {
		return this.#newest.value;
	}

	/** What is forgotten by a lower limit does not come back with a higher one. */
	set limit(limit: number) {
		if (limit === this.#limit) return;
		this.#values = [...this.values];
		this.#limit = limit;
		this.#newest.changed();
	}

	add(value: T): void {
		this.#values.push(value);
		if (this.#values.length > 2 * this.#limit) {
			this.#values.splice(0, this.#values.length - this.#limit);
		}
		this.#newest.changed();
	}

	clear(): void {
		this.#values = [];
		this.#newest.changed();
	}
}
