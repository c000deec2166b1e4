// @ts-check
/** Tests in Python, with the packages that scripts/test.sh has installed. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { PATIENCE_MS, within } from './wait.js';

const FOLDER = fileURLToPath(new URL('../python/', import.meta.url));
const PYTHON = `${FOLDER}.venv/bin/python`;

/** Ignores the variables that Python knows, and writes no bytecode. */
const FLAGS = ['-E', '-B'];

/** A test waits for several things, each as long as `PATIENCE_MS`. It is to fail by itself, and say for what it waited. */
const TEST_MS = 4 * PATIENCE_MS;

/**
 * Runs one test.
 *
 * @param {import('./run.js').Run} run
 * @param {string} test As `module.Class.method`.
 * @param {NodeJS.ProcessEnv} env
 */
export async function runPythonTest(run, test, env) {
	const program = run.start(PYTHON, [...FLAGS, '-m', 'unittest', test], { cwd: FOLDER, env });
	const { code } = await within(`${test} to end`, program.ended, TEST_MS);
	assert.equal(code, 0, `${test} failed`);
}
