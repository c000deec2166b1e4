// @ts-check
/**
 * Runs the test files given, or all of them, one after the other. Whatever ends the tests, even Ctrl-C in the middle of
 * one, nothing of theirs is left: all their processes carry this run's marker, and all their files lie in one folder.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MARKER, describeProcesses, marked } from './harness/strays.js';

const HERE = fileURLToPath(new URL('.', import.meta.url));

const USAGE = `Usage: node run.js [--without] [FILE…]

Runs the tests in tests/FILE.test.js, by default all of them; --without runs all the others.
DUPLEX_CHROMIUM names the browser if it is in no usual place.`;

const marker = randomUUID();

/** Somebody has ended the tests; then it is no mistake of theirs that there is something left. */
let interrupted = false;

/** @param {string[]} names */
async function main(names) {
	if (names.includes('--help') || names.includes('-h')) return console.log(USAGE);
	const others = names[0] === '--without';
	const paths = await files(names.slice(others ? 1 : 0), others);
	if (paths === null) return console.error(USAGE);
	const folder = await mkdtemp(join(tmpdir(), 'duplex-e2e-'));
	process.exitCode = await runTests(paths, folder);
	const left = await endAll();
	await rm(folder, { recursive: true, force: true, maxRetries: 5 });
	if (left.length === 0 || interrupted) return undefined;
	console.error(`left running, and killed:\n${describeProcesses(left)}`);
	process.exitCode ||= 1;
	return undefined;
}

/**
 * @param {string[]} names
 * @param {boolean} others Whether the other files are wanted.
 * @returns {Promise<string[] | null>} Null if there is no such file.
 */
async function files(names, others) {
	const all = (await readdir(`${HERE}tests`)).filter((name) => name.endsWith('.test.js')).sort();
	const wanted = names.map((name) => `${basename(name, '.test.js')}.test.js`);
	const unknown = wanted.find((name) => !all.includes(name));
	if (unknown === undefined) {
		const some = others || wanted.length > 0;
		const chosen = some ? all.filter((name) => wanted.includes(name) !== others) : all;
		return chosen.map((name) => `tests/${name}`);
	}
	console.error(`there is no ${unknown}, only ${all.join(', ')}\n`);
	process.exitCode = 2;
	return null;
}

/**
 * @param {string[]} paths
 * @param {string} folder
 * @returns {Promise<number>} The exit code.
 */
function runTests(paths, folder) {
	// One at a time: a build, a browser and a dying process group at once would only disturb each other.
	const flags = ['--test', '--test-concurrency=1', '--test-reporter=spec'];
	const tests = spawn(process.execPath, [...flags, ...paths], {
		cwd: HERE,
		env: { ...process.env, [MARKER]: marker, TMPDIR: folder },
		stdio: ['ignore', 'inherit', 'inherit']
	});
	for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
		// More than once, because whoever is impatient must not end what clears up.
		process.on(signal, () => {
			interrupted = true;
			tests.kill(signal);
		});
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
