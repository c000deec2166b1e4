/** A value whose work is under way: one of its own, so that equal values are not taken for each other. */
interface Entry<T> {
	readonly value: T;
}

/** What a page shows before the server has agreed, and takes back when it does not. */
export class Optimistic<T> {
	#entries: readonly Entry<T>[] = [];
	#pending = $state.raw<readonly T[]>([]);

	/** The values whose work is under way, oldest first. */
	get pending(): readonly T[] {
		return this.#pending;
	}

	/**
	 * Shows `value` in `pending` while `work` runs, and takes it out when that ends, well or not.
	 *
	 * @throws whatever `work` throws.
	 */
	async run<Result>(value: T, work: () => Promise<Result>): Promise<Result> {
		const entry = { value };
		this.#show([...this.#entries, entry]);
		try {
			return await work();
		} finally {
			this.#show(this.#entries.filter((other) => other !== entry));
		}
	}

	#show(entries: readonly Entry<T>[]): void {
		this.#entries = entries;
		this.#pending = entries.map(({ value }) => value);
	}
}
