// @ts-check
/** Clones HEAD to a temporary folder and runs the README's first two commands there; see scripts/fresh-clone. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Browser } from './harness/browser.js';
import { ROOT } from './harness/cargo.js';
import { Run } from './harness/run.js';
import { within } from './harness/wait.js';

const execute = promisify(execFile);

/** Everything from nothing, on a slow machine. */
const BUILD_MS = 15 * 60_000;
const TESTS_MS = 60 * 60_000;

/** A target directory of the user's would have something in it. */
const OWN_TARGET = { CARGO_TARGET_DIR: undefined };

/**
 * @param {Run} run
 * @returns {Promise<string>} The folder of the clone.
 */
async function clone(run) {
	const folder = join(run.folder, 'clone');
	const { stdout } = await execute('git', ['rev-parse', 'HEAD'], { cwd: ROOT });
	await execute('git', ['clone', '--quiet', '--no-checkout', ROOT, folder]);
	await execute('git', ['checkout', '--quiet', '--detach', stdout.trim()], { cwd: folder });
	return folder;
}

/**
 * @param {Run} run
 * @param {string} folder
 */
async function tryPage(run, folder) {
	const browser = await Browser.start(run);
	const server = run.start('cargo', ['run', '-p', 'dev-server'], {
		cwd: folder,
		env: OWN_TARGET,
		echo: true
	});
	const [, url] = await server.line(/ready on (http:\S+)/, { patience: BUILD_MS });
	const visitor = await (await browser.visitor()).open(url ?? '');
	await visitor.establish();
	await visitor.request.click();
	await visitor.entry('request', /Hello world from GET handler/);
	await visitor.entry('received', /^Hello from the GET handler at /);
	visitor.assertNoErrors();
	await browser.close();

	server.signalGroup('SIGINT');
	assert.deepEqual(await within('the end', server.ended), { code: 0, signal: null });
	await run.assertNothingRuns();
}

/**
 * @param {Run} run
 * @param {string} folder
 */
async function runTests(run, folder) {
	const tests = run.start('scripts/test.sh', [], { cwd: folder, env: OWN_TARGET, echo: true });
	const { code } = await within('the tests', tests.ended, TESTS_MS);
	assert.equal(code, 0, 'scripts/test.sh has failed');
	assert.match(tests.lines.at(-1) ?? '', /^\d+ passed, 0 failed$/);
}

const run = await Run.begin();
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
	process.once(signal, () => void run.end().finally(() => process.exit(1)));
}
try {
	const folder = await clone(run);
	await tryPage(run, folder);
	await runTests(run, folder);
	console.log('\nA fresh clone works.');
} catch (error) {
	console.error(`\nA fresh clone does not work: ${error instanceof Error ? error.message : error}`);
	process.exitCode = 1;
} finally {
	await run.end();
}
