// @ts-check
/**
 * Runs the test files given, or all of them, one after the other. Whatever ends the tests, even Ctrl-C in the middle of
 * one, no process of theirs is left: all of them carry this run's marker.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MARKER, describeProcesses, marked } from './harness/strays.js';

const HERE = fileURLToPath(new URL('.', import.meta.url));

const USAGE = `Usage: node run.js [FILE…]

Runs the tests in tests/FILE.test.js, by default all of them.
DUPLEX_CHROMIUM names the browser if it is in no usual place.`;

const marker = randomUUID();

/** @param {string[]} names */
async function main(names) {
	if (names.includes('--help') || names.includes('-h')) return console.log(USAGE);
	process.exitCode = await runTests(await files(names));
	const left = await endAll();
	if (left.length === 0) return undefined;
	console.error(`left running, and killed:\n${describeProcesses(left)}`);
	process.exitCode ||= 1;
	return undefined;
}

/** @param {string[]} names */
async function files(names) {
	const all = (await readdir(`${HERE}tests`)).filter((name) => name.endsWith('.test.js')).sort();
	const wanted = names.map((name) => `${basename(name, '.test.js')}.test.js`);
	const unknown = wanted.find((name) => !all.includes(name));
	if (unknown !== undefined) throw new Error(`no ${unknown}; there are ${all.join(', ')}`);
	return (wanted.length > 0 ? wanted : all).map((name) => `tests/${name}`);
}

/**
 * @param {string[]} paths
 * @returns {Promise<number>} The exit code.
 */
function runTests(paths) {
	// One at a time: a build, a browser and a dying process group at once would only disturb each other.
	const flags = ['--test', '--test-concurrency=1', '--test-reporter=spec'];
	const tests = spawn(process.execPath, [...flags, ...paths], {
		cwd: HERE,
		env: { ...process.env, [MARKER]: marker },
		stdio: ['ignore', 'inherit', 'inherit']
	});
	for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
		process.once(signal, () => tests.kill(signal));
	}
	return new Promise((resolve, reject) => {
		tests.once('error', reject);
		tests.once('exit', (code) => resolve(code ?? 1));
	});
}

/** Kills what the tests have left, and what that starts meanwhile; returns what it was. */
async function endAll() {
	const all = [];
	for (let left = await marked(marker); left.length > 0; left = await marked(marker)) {
		all.push(...left);
		for (const { pid } of left) {
			try {
				process.kill(pid, 'SIGKILL');
			} catch {
				// It has just ended by itself.
			}
		}
	}
	return all;
}

await main(process.argv.slice(2));
