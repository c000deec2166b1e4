/**
 * A value that is made of something that changes often: reactive, but only made when somebody looks. Not a `$derived`, as
 * that ends with the component in which it was first needed, and what is shared outlives that component.
 */
export class Snapshot<T> {
	#value: T | null = null;
	#version = $state(0);
	readonly #make: () => T;

	constructor(make: () => T) {
		this.#make = make;
	}

	get value(): T {
		void this.#version;
		this.#value ??= this.#make();
		return this.#value;
	}

	/** What the value is made of has changed. */
	changed(): void {
		this.#value = null;
		this.#version += 1;
	}
}
