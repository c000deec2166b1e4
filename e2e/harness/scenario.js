// @ts-check
/** Test files: one run each, and what its programs have printed when a test fails. */
import { after, before, test } from 'node:test';
import { Run } from './run.js';

/**
 * Declares the tests of a file.
 *
 * @param {(run: Run) => Promise<void>} prepare Starts what all the tests of the file need.
 * @returns {(name: string, body: (run: Run) => Promise<void>) => void} Declares a test.
 */
export function scenarios(prepare) {
	/** @type {Run} */
	let run;
	before(async () => {
		run = await Run.begin();
		await explained(run, () => prepare(run));
	});
	after(() => run.end());
	return (name, body) => {
		test(name, () => explained(run, () => body(run)));
	};
}

/**
 * @param {Run} run
 * @param {() => Promise<void>} act
 */
async function explained(run, act) {
	try {
		await act();
	} catch (error) {
		console.error(run.transcript());
		throw error;
	}
}
