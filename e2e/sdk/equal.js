// @ts-check
/** Comparison of plain values, for code that runs in a page too, where Node's `assert` is not. */

/**
 * Fails if two values are not the same as JSON.
 *
 * @param {unknown} actual
 * @param {unknown} expected
 */
export function equal(actual, expected) {
	const [found, wanted] = [toText(actual), toText(expected)];
	if (found !== wanted) throw new Error(`expected ${wanted} and got ${found}`);
}

/** JSON with sorted names, as their order says nothing. @param {unknown} value */
function toText(value) {
	return JSON.stringify(value, (_name, part) => {
		if (part === null || typeof part !== 'object' || Array.isArray(part)) return part;
		return Object.fromEntries(
			Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1))
		);
	});
}
