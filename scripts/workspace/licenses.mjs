// @ts-check
/** Which licences the crates may have: those that ask for no more than to be named. */

export const PERMISSIVE = new Set([
	'0BSD',
	'Apache-2.0',
	'Apache-2.0 WITH LLVM-exception',
	'BSD-2-Clause',
	'BSD-3-Clause',
	'BSL-1.0',
	'CC0-1.0',
	'ISC',
	'MIT',
	'Unicode-3.0',
	'Unlicense',
	'Zlib'
]);

/**
 * @param {import('./metadata.mjs').Graph} graph
 * @returns {string[]} What is wrong.
 */
export function checkLicenses(graph) {
	return graph.packages
		.filter(({ license }) => !isPermissive(license ?? ''))
		.map(
			({ name, version, license }) =>
				`${name} ${version} has the licence ${license ?? 'of nobody knows what'}`
		);
}

/**
 * Whether an SPDX expression can be satisfied with permissive licences. `/` is how old packages write OR.
 *
 * @param {string} expression
 */
export function isPermissive(expression) {
	const tokens = expression.replaceAll('/', ' OR ').match(/[()]|[^\s()]+/g) ?? [];
	const [permissive, rest] = readAlternatives(tokens);
	return permissive && rest.length === 0;
}

/**
 * Alternatives, of which one is enough: `a OR b`.
 *
 * @param {string[]} tokens
 * @returns {[boolean, string[]]} Whether it is permissive, and the tokens after it.
 */
function readAlternatives(tokens) {
	let [permissive, rest] = readDemands(tokens);
	while (rest[0] === 'OR') {
		const [other, after] = readDemands(rest.slice(1));
		[permissive, rest] = [permissive || other, after];
	}
	return [permissive, rest];
}

/**
 * Demands, all of which have to be met: `a AND b`, which binds more tightly.
 *
 * @param {string[]} tokens
 * @returns {[boolean, string[]]}
 */
function readDemands(tokens) {
	let [permissive, rest] = readLicense(tokens);
	while (rest[0] === 'AND') {
		const [other, after] = readLicense(rest.slice(1));
		[permissive, rest] = [permissive && other, after];
	}
	return [permissive, rest];
}

/**
 * One licence, with an exception if it has one, or an expression in parentheses.
 *
 * @param {string[]} tokens
 * @returns {[boolean, string[]]}
 */
function readLicense(tokens) {
	const [first, second, third] = tokens;
	if (first === '(') {
		const [permissive, rest] = readAlternatives(tokens.slice(1));
		return [permissive && rest[0] === ')', rest.slice(1)];
	}
	if (second === 'WITH') return [PERMISSIVE.has(`${first} WITH ${third}`), tokens.slice(3)];
	return [PERMISSIVE.has(first ?? ''), tokens.slice(1)];
}
