// @ts-check
/** Which package of the workspace may depend on which, and what must not get into one from outside. */

/** Dependencies point one way: servers → application → core. @type {Record<string, string[]>} */
export const ARROWS = {
	'duplex-core': [],
	'duplex-app': ['duplex-core'],
	'dev-server': ['duplex-core'],
	'dev-worker': ['duplex-app', 'duplex-core'],
	'prod-server': ['duplex-app', 'duplex-core']
};

/** The core knows no file watcher, no command line and no log output; its examples and tests may. @type {Record<string, string[]>} */
export const FOREIGN = {
	'duplex-core': ['notify', 'ignore', 'clap', 'env_logger', 'open'],
	'duplex-app': ['notify', 'ignore', 'clap', 'open'],
	'prod-server': ['notify', 'ignore', 'awc']
};

/**
 * @param {import('./metadata.mjs').Graph} graph
 * @returns {string[]} What is wrong.
 */
export function checkArrows(graph) {
	return graph.members.flatMap((member) => [
		...wrongArrows(graph, member),
		...foreigners(graph, member)
	]);
}

/**
 * @param {import('./metadata.mjs').Graph} graph
 * @param {import('./metadata.mjs').Package} member
 */
function wrongArrows(graph, member) {
	const allowed = ARROWS[member.name];
	if (allowed === undefined) {
		return [`${member.name} is new: say in scripts/workspace/arrows.mjs what it may depend on`];
	}
	const own = new Set(graph.members);
	return graph
		.direct(member)
		.filter((dependency) => own.has(dependency) && !allowed.includes(dependency.name))
		.map(({ name }) => `${member.name} must not depend on ${name}`);
}

/**
 * @param {import('./metadata.mjs').Graph} graph
 * @param {import('./metadata.mjs').Package} member
 */
function foreigners(graph, member) {
	const foreign = FOREIGN[member.name] ?? [];
	return graph
		.linked(member)
		.filter(({ name }) => foreign.includes(name))
		.map(({ name }) => `${member.name} must not know ${name}, not even through another crate`);
}
