// @ts-check
/** What keeps the development server from starting is said in one sentence that says what to do. */
import assert from 'node:assert/strict';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Checkout } from '../harness/checkout.js';
import { DevServer } from '../harness/dev-server.js';
import { close, listen } from '../harness/ports.js';
import { scenarios } from '../harness/scenario.js';
import { within } from '../harness/wait.js';

/** What the tools say their versions are. */
const TOOLS = { cargo: 'cargo 1.95.0', node: 'v20.19.0', npm: '11.0.0' };

/** @type {Checkout} */
let checkout;
/** @type {string} */
let executable;

const scenario = scenarios(async (run) => {
	checkout = await Checkout.make(run);
	executable = await DevServer.build(run, checkout);
});

for (const [missing, advice] of /** @type {const} */ ([
	['cargo', /^cargo was not found: install Rust from https:\/\/rustup\.rs\b/],
	['node', /^Node\.js was not found: install version 20\.19 or newer from https:\/\/nodejs\.org\b/],
	['npm', /^npm was not found.*: install it \(it comes with https:\/\/nodejs\.org\)/]
])) {
	scenario(`without_${missing}_it_says_where_to_get_it`, async (run) => {
		const tools = Object.entries(TOOLS).filter(([name]) => name !== missing);
		const sentence = await refusal(run, Object.fromEntries(tools));
		assert.match(sentence, advice);
	});
}

scenario('an_old_node_is_named_with_the_versions_that_suit', async (run) => {
	const sentence = await refusal(run, { ...TOOLS, node: 'v18.20.4' });
	assert.match(sentence, /^Node\.js v18\.20\.4 does not suit: install 20\.19 or newer/);
});

scenario('a_taken_port_is_named_when_no_other_may_be_taken', async (run) => {
	const taken = await listen(0);
	const { port } = /** @type {import('node:net').AddressInfo} */ (taken.address());
	const sentence = await refusal(run, TOOLS, ['--port', String(port), '--strict-port']);
	assert.ok(
		sentence.startsWith(`port ${port} of localhost is taken: stop the program that has it`),
		sentence
	);
	await close(taken);
});

/**
 * Starts the server with nothing but the given tools, and returns the one sentence that it ends with.
 *
 * @param {import('../harness/run.js').Run} run
 * @param {Record<string, string>} tools
 * @param {string[]} [parameters]
 */
async function refusal(run, tools, parameters = ['--port', '0']) {
	const PATH = await folderOf(run, tools);
	const program = run.start(executable, parameters, {
		cwd: checkout.root,
		env: { PATH, CARGO: undefined }
	});
	const { code } = await within('the refusal', program.ended);
	assert.equal(code, 1);
	const { sentence } = (await program.line(/^\[dev\] (?<sentence>.+)$/)).groups ?? {};
	assert.deepEqual(program.lines, [`[dev] ${sentence}`]);
	return sentence ?? '';
}

/**
 * A folder of programs that can only say their versions.
 *
 * @param {import('../harness/run.js').Run} run
 * @param {Record<string, string>} tools
 */
async function folderOf(run, tools) {
	const folder = join(
		run.folder,
		Object.entries(tools)
			.join('+')
			.replaceAll(/[^\w.+]/g, '-')
	);
	await mkdir(folder);
	for (const [name, version] of Object.entries(tools)) {
		await writeFile(join(folder, name), `#!/bin/sh\necho '${version}'\n`);
		await chmod(join(folder, name), 0o755);
	}
	return folder;
}
