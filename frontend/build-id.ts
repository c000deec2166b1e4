/**
 * Names a build after what it is made from, so that the same sources have the same name wherever and whenever they are
 * built: pages then offer a reload when there is something new to load, not whenever somebody has built again.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';

/** What goes into a build, beside the environment. The lock file stands for all packages. */
const INGREDIENTS = [
	'build-id.ts',
	'package-lock.json',
	'src',
	'static',
	'tsconfig.json',
	'vite-plugin-duplex.ts',
	'vite.config.ts'
];

/** What lies among the sources and is not served: tests, examples, prose, and types, which no browser ever sees. */
const NOT_SERVED = [
	/\.test\.ts$/,
	/\/testing\.ts$/,
	/\/(tests|examples)\//,
	/\.md$/,
	/\.d\.ts$/,
	/\/contract\/types\.ts$/
];

/** As many hexadecimal digits as make two builds with one name unthinkable. */
const DIGITS = 16;

/**
 * The name of the build of the front end in `directory`. `DUPLEX_BUILD_ID` overrides it, for instance with the name of
 * a release. Of the other variables, only those that pages can see make a difference.
 */
export function buildId(
	directory: string,
	environment: Readonly<Record<string, string | undefined>>
): string {
	const chosen = environment['DUPLEX_BUILD_ID'];
	if (chosen !== undefined && chosen !== '') return chosen;
	const hash = createHash('sha256');
	// Lengths keep the end of one part from being taken for the beginning of the next.
	const add = (...parts: (string | Buffer)[]) => {
		for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
	};
	for (const path of servedFiles(directory)) {
		add(path, readFileSync(join(directory, path)));
	}
	for (const name of Object.keys(environment).sort()) {
		if (name.startsWith('PUBLIC_')) add(name, environment[name] ?? '');
	}
	return hash.digest('hex').slice(0, DIGITS);
}

function servedFiles(directory: string): string[] {
	return INGREDIENTS.flatMap((name) => filesBelow(directory, name))
		.filter((path) => !path.startsWith('src/') || !NOT_SERVED.some((form) => form.test(path)))
		.sort();
}

/** The files at or below a path, with forward slashes everywhere. None if there is no such path. */
function filesBelow(directory: string, path: string): string[] {
	const found = statSync(join(directory, path), { throwIfNoEntry: false });
	if (!found?.isDirectory()) return found === undefined ? [] : [path];
	return readdirSync(join(directory, path)).flatMap((name) =>
		filesBelow(directory, posix.join(path, name))
	);
}
