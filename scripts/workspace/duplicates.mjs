// @ts-check
/** Crates that a program contains twice, in versions that do not fit together: known with a reason, or a mistake. */
import { hasProgram } from './metadata.mjs';

const COOKIE =
	'actix-web keeps cookie 0.16, which signs and encrypts with this generation of crates';

/**
 * Duplicates that cannot be avoided here. An entry that is no longer true is a mistake too.
 *
 * @type {Record<string, { versions: string[], reason: string }>}
 */
export const KNOWN = {
	base64: { versions: ['0.20', '0.22'], reason: COOKIE },
	'block-buffer': { versions: ['0.10', '0.12'], reason: COOKIE },
	cpufeatures: { versions: ['0.2', '0.3'], reason: COOKIE },
	'crypto-common': { versions: ['0.1', '0.2'], reason: COOKIE },
	digest: { versions: ['0.10', '0.11'], reason: COOKIE },
	getrandom: { versions: ['0.2', '0.4'], reason: COOKIE },
	hashbrown: {
		versions: ['0.16', '0.17'],
		reason: 'sqlx keeps the generation before that of indexmap'
	},
	http: {
		versions: ['0.2', '1'],
		reason: 'awc speaks http 0.2, and asks actix-tls for URIs, which are of http 1'
	},
	rand: { versions: ['0.8', '0.10'], reason: COOKIE },
	rand_core: { versions: ['0.6', '0.10'], reason: COOKIE },
	sha2: { versions: ['0.10', '0.11'], reason: COOKIE }
};

/**
 * @param {import('./metadata.mjs').Graph} graph
 * @param {typeof KNOWN} [known]
 * @returns {string[]} What is wrong.
 */
export function checkDuplicates(graph, known = KNOWN) {
	const found = duplicates(graph);
	const unexpected = [...found]
		.filter(([name, versions]) => known[name]?.versions.join() !== versions.join())
		.map(
			([name, versions]) =>
				`${name} is in one program as ${versions.join(' and ')}: see cargo tree --duplicates`
		);
	const stale = Object.keys(known)
		.filter((name) => !found.has(name))
		.map(
			(name) => `${name} is no longer there twice: remove it from scripts/workspace/duplicates.mjs`
		);
	return [...unexpected, ...stale];
}

/**
 * The crates that at least one program contains in several versions, with the versions of all such programs.
 *
 * @param {import('./metadata.mjs').Graph} graph
 * @returns {Map<string, string[]>}
 */
function duplicates(graph) {
	/** @type {Map<string, Set<string>>} */
	const found = new Map();
	for (const program of graph.members.filter(hasProgram)) {
		for (const [name, versions] of generations(graph.linked(program))) {
			if (versions.size > 1) found.set(name, new Set([...(found.get(name) ?? []), ...versions]));
		}
	}
	return new Map([...found].map(([name, versions]) => [name, [...versions].sort(compare)]));
}

/**
 * @param {import('./metadata.mjs').Package[]} packages
 * @returns {Map<string, Set<string>>}
 */
function generations(packages) {
	/** @type {Map<string, Set<string>>} */
	const byName = new Map();
	for (const { name, version } of packages) {
		byName.set(name, (byName.get(name) ?? new Set()).add(generation(version)));
	}
	return byName;
}

/** The part of a version that must be the same for two of them to fit together. @param {string} version */
export function generation(version) {
	const [major, minor, patch] = version.split(/[.+-]/);
	if (major !== '0') return `${major}`;
	return minor !== '0' ? `0.${minor}` : `0.0.${patch}`;
}

/**
 * @param {string} one
 * @param {string} other
 */
function compare(one, other) {
	return one.localeCompare(other, 'en', { numeric: true });
}
