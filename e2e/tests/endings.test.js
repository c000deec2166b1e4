// @ts-check
/** However the development server ends, and whatever it is doing then: nothing of it is left, and its port is free. */
import assert from 'node:assert/strict';
import { access, chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { Checkout } from '../harness/checkout.js';
import { DevServer } from '../harness/dev-server.js';
import { isFree } from '../harness/ports.js';
import { scenarios } from '../harness/scenario.js';
import { until } from '../harness/wait.js';

/** A compilation on a slow machine. */
const COMPILATION_MS = 300_000;

/** @type {Checkout} */
let checkout;
/** What is held in the middle of its work makes this file, to say that it has got there. @type {string} */
let held;

const scenario = scenarios(async (run) => {
	held = join(run.folder, 'held');
	checkout = await Checkout.make(run);
});

/** How a run is ended. @type {Record<string, (program: import('../harness/program.js').Program) => void>} */
const endings = {
	ctrl_c: (program) => program.signalGroup('SIGINT'),
	sigterm: (program) => program.signal('SIGTERM'),
	sigkill: (program) => program.signal('SIGKILL')
};

/**
 * What it is doing then. Each starts the server and returns it in the middle of something that would never end.
 *
 * @type {Record<string, (run: import('../harness/run.js').Run) => Promise<DevServer>>}
 */
const occupations = {
	idle: (run) => DevServer.start(run, checkout),

	building: async (run) => {
		const server = await DevServer.start(run, checkout, { env: { DUPLEX_HELD: held } });
		await checkout.write('crates/app/build.rs', HELD_BUILD);
		await isHeld();
		return server;
	},

	installing: async (run) => {
		await checkout.removeInstallationStamp();
		const PATH = `${await heldNpm(run)}${delimiter}${process.env['PATH']}`;
		const server = await DevServer.launch(run, checkout, { env: { PATH, DUPLEX_HELD: held } });
		await isHeld();
		return server;
	},

	mid_swap: async (run) => {
		const server = await DevServer.start(run, checkout, { env: { DUPLEX_HELD: held } });
		await checkout.replace('crates/app/src/lib.rs', START, HELD_START);
		await isHeld();
		return server;
	}
};

/** A build script that never ends, and so a build that never does. */
const HELD_BUILD = `fn main() {
    std::fs::write(std::env::var_os("DUPLEX_HELD").unwrap(), "").unwrap();
    loop {
        std::thread::park();
    }
}
`;

/** A worker that is started and never ready. */
const START = '    let sessions = web::Data::new(';
const HELD_START = `    let _ = std::fs::write(std::env::var_os("DUPLEX_HELD").unwrap_or_default(), "");
    std::future::pending::<()>().await;
${START}`;

for (const [doing, begin] of Object.entries(occupations)) {
	for (const [how, end] of Object.entries(endings)) {
		scenario(`ended_by_${how}_while_${doing}_it_leaves_nothing`, async (run) => {
			try {
				await rm(held, { force: true });
				const { program, port } = await begin(run);
				assert.ok((await run.processes()).length > 1, 'nothing runs that could be left');
				end(program);
				await run.assertNothingRuns();
				assert.ok(await isFree(port), `port ${port} is still taken`);
				await program.ended;
			} finally {
				await run.killAll();
				await checkout.restore();
			}
		});
	}
}

function isHeld() {
	const look = () =>
		access(held).then(
			() => true,
			() => false
		);
	return until('the work to be held', look, COMPILATION_MS);
}

/**
 * A folder with an npm that never ends, and that has started something which does not care for SIGTERM.
 *
 * @param {import('../harness/run.js').Run} run
 */
async function heldNpm(run) {
	const folder = join(run.folder, 'held-npm');
	await mkdir(folder, { recursive: true });
	const program = `#!/bin/sh
(trap '' TERM INT; sleep 1000) &
: > "$DUPLEX_HELD"
wait
`;
	await writeFile(join(folder, 'npm'), program);
	await chmod(join(folder, 'npm'), 0o755);
	return folder;
}
