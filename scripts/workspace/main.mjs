// @ts-check
/** Checks all rules of the workspace, and says what is wrong. */
import { fileURLToPath } from 'node:url';
import { checkArrows } from './arrows.mjs';
import { checkDuplicates } from './duplicates.mjs';
import { checkLicenses } from './licenses.mjs';
import { Graph, readMetadata } from './metadata.mjs';
import { checkModuleDocs } from './module-docs.mjs';

const USAGE = `Usage: scripts/check-workspace [--help]

Checks the workspace's rules: which package may depend on which, that all licences are permissive, that no program
contains a crate in two generations without a reason, and that every Rust module says what it owns.`;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

async function check() {
	const graph = new Graph(await readMetadata(ROOT));
	const problems = [
		...checkArrows(graph),
		...checkLicenses(graph),
		...checkDuplicates(graph),
		...(await checkModuleDocs(ROOT))
	];
	for (const problem of problems) console.error(problem);
	if (problems.length > 0) process.exitCode = 1;
	else
		console.log(
			`${graph.members.length} packages and ${graph.packages.length} crates follow the rules`
		);
}

if (process.argv.length > 2) {
	const wanted = process.argv[2] === '--help' || process.argv[2] === '-h';
	(wanted ? console.log : console.error)(USAGE);
	process.exitCode = wanted ? 0 : 2;
} else {
	await check();
}
