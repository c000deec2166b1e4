// @ts-check
/** What the other tests rely on: nothing is left behind unnoticed, and nothing is waited for without end. */
import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { test } from 'node:test';
import { Run } from '../harness/run.js';
import { until } from '../harness/wait.js';

test('a_process_that_outlives_its_run_fails_the_run_and_is_killed', async () => {
	const run = await Run.begin();
	const parent = run.start('sh', ['-c', 'setsid sleep 1000 & echo started']);
	await parent.line(/started/);
	await parent.ended;
	await assert.rejects(run.end(), /still there after 5 s:\s+\d+ sleep 1000/);
	await until('the kill to take effect', async () => (await run.processes()).length === 0);
	await assert.rejects(stat(run.folder), { code: 'ENOENT' });
});

test('a_run_ends_what_it_has_started_and_removes_its_folder', async () => {
	const run = await Run.begin();
	const program = run.start('sleep', ['1000']);
	assert.equal((await run.processes()).length, 1);
	await run.end();
	assert.deepEqual(await program.ended, { code: null, signal: 'SIGTERM' });
	await assert.rejects(stat(run.folder), { code: 'ENOENT' });
});

test('a_line_is_found_in_either_stream_before_or_after_it_is_asked_for', async () => {
	const run = await Run.begin();
	const program = run.start('sh', ['-c', 'echo one; echo two >&2; read -r line || echo three']);
	assert.equal((await program.line(/^t(w)o$/))[1], 'w');
	await program.line(/^three$/);
	await program.line(/^one$/);
	await assert.rejects(program.line(/^one$/, { from: 3 }), /ended .* before/);
	await run.end();
});

test('a_program_that_is_not_there_is_reported_to_whoever_waits', async () => {
	const run = await Run.begin();
	const program = run.start('/nonexistent/program');
	await assert.rejects(program.line(/anything/), /ENOENT/);
	await assert.rejects(program.ended, /ENOENT/);
	await assert.rejects(run.end(), /could not be started|ENOENT/);
});

test('waiting_has_an_end_and_says_for_what_it_was', async () => {
	await assert.rejects(
		until('what never comes', () => false, 50),
		/^Error: waited 0\.05 s in vain for what never comes$/
	);
});

test('settings_of_the_person_who_runs_the_tests_are_not_passed_on', async () => {
	const run = await Run.begin();
	const settings = { PORT: '1', ORIGIN: 'https://example.com', CI: 'true', PUBLIC_NAME: 'x' };
	const before = { ...process.env };
	try {
		Object.assign(process.env, settings);
		const passedOn = Object.keys(run.environment());
		assert.deepEqual(
			Object.keys(settings).filter((name) => passedOn.includes(name)),
			[]
		);
		assert.ok(passedOn.includes('PATH'));
	} finally {
		for (const name of Object.keys(settings)) {
			if (before[name] === undefined) delete process.env[name];
			else process.env[name] = before[name];
		}
		await run.end();
	}
});
