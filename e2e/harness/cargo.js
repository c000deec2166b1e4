// @ts-check
/** Builds programs of the workspace, and says where they are. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The folder of the workspace. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** One line of cargo's output describes at most one artifact. */
const MAX_OUTPUT = 64 * 1024 * 1024;

/**
 * Builds a program, which is quick if it is up to date, and returns its path.
 *
 * @param {string} name
 * @param {{ root?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<string>}
 */
export function build(name, options) {
	return buildTarget(name, ['-p', name, '--bin', name], options);
}

/**
 * Builds an example, and returns its path.
 *
 * @param {string} package_
 * @param {string} name
 * @returns {Promise<string>}
 */
export function buildExample(package_, name) {
	return buildTarget(name, ['-p', package_, '--example', name]);
}

/**
 * @param {string} name
 * @param {string[]} selection
 * @param {{ root?: string, env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<string>}
 */
async function buildTarget(name, selection, { root = ROOT, env = process.env } = {}) {
	const { stdout } = await promisify(execFile)(
		'cargo',
		['build', '--locked', ...selection, '--message-format=json-render-diagnostics'],
		{ cwd: root, env, maxBuffer: MAX_OUTPUT }
	);
	for (const line of stdout.split('\n').filter(Boolean)) {
		const message = JSON.parse(line);
		if (message.target?.name === name && message.executable) return message.executable;
	}
	throw new Error(`cargo built no ${name}`);
}
