// @ts-check
/**
 * Waits for states. A wait ends when the state is there; the patience only bounds how long a broken test may hang.
 */

/** Longer than anything here takes on a slow and busy machine, builds excepted. */
export const PATIENCE_MS = 30_000;

/** How often a state that announces itself by no event is looked at. */
const LOOK_EVERY_MS = 20;

/**
 * Resolves with the first truthy value that `look` gives.
 *
 * @template T
 * @param {string} what Completes the sentence "waited for …".
 * @param {() => T | Promise<T>} look
 * @param {number} [patience] In milliseconds.
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, look, patience = PATIENCE_MS) {
	const deadline = Date.now() + patience;
	for (;;) {
		const value = await look();
		if (value) return value;
		if (Date.now() > deadline) throw new Error(`waited ${patience / 1000} s in vain for ${what}`);
		await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
	}
}

/**
 * Fails when a promise takes longer than it may.
 *
 * @template T
 * @param {string} what
 * @param {Promise<T>} promise
 * @param {number} [patience] In milliseconds.
 * @returns {Promise<T>}
 */
export async function within(what, promise, patience = PATIENCE_MS) {
	/** @type {NodeJS.Timeout | undefined} */
	let timer;
	const deadline = new Promise((_resolve, reject) => {
		const error = new Error(`waited ${patience / 1000} s in vain for ${what}`);
		timer = setTimeout(() => reject(error), patience);
	});
	try {
		return await Promise.race([promise, /** @type {Promise<never>} */ (deadline)]);
	} finally {
		clearTimeout(timer);
	}
}
