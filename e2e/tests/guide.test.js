// @ts-check
/** docs/guide.md, step by step, as somebody would follow it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { Browser } from '../harness/browser.js';
import { build } from '../harness/cargo.js';
import { Checkout } from '../harness/checkout.js';
import { DevServer } from '../harness/dev-server.js';
import { Guide } from '../harness/guide.js';
import { scenarios } from '../harness/scenario.js';

const APPLAUSE = 'crates/app/src/applause.rs';
const CONTRACT = 'crates/app/src/contract.rs';
const PAGE = 'frontend/src/routes/stage/+page.svelte';
const TYPES = 'frontend/src/lib/contract/types.ts';

/** svelte-check has to read the whole front end first. */
const CHECK_MS = 120_000;

/** @type {Checkout} */
let checkout;
/** @type {DevServer} */
let server;
/** @type {Browser} */
let browser;
/** @type {Guide} */
let guide;
/** @type {import('../harness/run.js').Run} */
let run;

const scenario = scenarios(async (begun) => {
	run = begun;
	guide = await Guide.read();
	browser = await Browser.start(run);
	checkout = await Checkout.make(run);
	server = await DevServer.start(run, checkout);
});

scenario('what_is_written_in_rust_is_known_in_typescript', async () => {
	const from = server.program.lines.length;
	await checkout.write(APPLAUSE, code(APPLAUSE));
	const use = guide.said(/`(use crate::applause::.*?;)`/);
	const { after, lines } = guide.registration;
	assert.equal(lines.length, 2, 'a channel and a call take one line each');
	await checkout.replace(CONTRACT, after, after + lines.join(''));
	await checkout.replace(CONTRACT, '\nuse crate::{', `\n${use}\nuse crate::{`);
	await server.swap(() =>
		checkout.replace('crates/app/src/lib.rs', '\nmod api;\n', '\nmod api;\nmod applause;\n')
	);
	await server.program.line(/frontend\/src\/lib\/contract\/types\.ts/, { from });
	const types = await readFile(checkout.path(TYPES), 'utf8');
	assert.match(types, /'stage\.clap': \{ params: Clap; reply: null; error: ClapError \}/);
	await server.program.line(/fits the server's types/, { from, patience: CHECK_MS });
});

scenario('two_visitors_clap_on_a_page_of_ones_own', async () => {
	await checkout.write(PAGE, code(PAGE));
	const [first, second] = [await visit(), await visit()];
	await first.getByText('Here now: 2').waitFor();
	await first.getByRole('button', { name: 'Clap', exact: true }).click();
	await first.getByRole('heading', { name: '1 claps' }).waitFor();
	await second.getByRole('heading', { name: '1 claps' }).waitFor();
	await second.getByRole('button', { name: 'Clap like mad' }).click();
	await second.getByRole('alert').getByText('At most 10, please.').waitFor();
	await first.getByRole('heading', { name: '1 claps' }).waitFor();
	await first.context().close();
	await second.context().close();
});

scenario('a_field_that_is_renamed_in_rust_is_missed_in_the_terminal_and_in_ci', async () => {
	// Vite has pages loaded again that come after some changes, but not those that were there.
	const visitor = await visit();
	const from = server.program.lines.length;
	const rust = code(APPLAUSE).replaceAll(/\bclaps\b/g, 'hands');
	await server.swap(() => checkout.write(APPLAUSE, rust));
	const complaint = guide.said(/```text\n(.*?)\n```/s);
	await server.program.line(new RegExp(escaped(complaint)), { from, patience: CHECK_MS });
	assert.notEqual((await check()).code, 0);

	const mended = server.program.lines.length;
	// In the page, the call and the publications; what is shown to visitors may stay.
	const page = code(PAGE)
		.replace('data.claps', 'data.hands')
		.replace("stage: 'main', claps", "stage: 'main', hands: claps");
	await checkout.write(PAGE, page);
	await server.program.line(/fits the server's types/, { from: mended, patience: CHECK_MS });
	await clap(visitor);
	assert.equal((await check()).code, 0);
});

scenario('the_page_ships', async () => {
	const site = run.start(checkout.path('scripts/build-frontend.sh'));
	assert.equal((await site.ended).code, 0);
	run.atEnd(() => checkout.removeMade('frontend/build'));
	const env = run.environment(checkout.environment);
	const executable = await build('prod-server', { root: checkout.root, env });
	const preview = run.start(executable, ['--preview', '--port', '0'], { cwd: checkout.root });
	const [, port] = await preview.line(/listening on http:\/\/127\.0\.0\.1:(\d+)/);
	await clap(await visit(`http://localhost:${port}/`));
});

/** The file of the guide. @param {string} file */
function code(file) {
	const text = guide.files.get(file);
	assert.ok(text !== undefined, `the guide has no ${file}`);
	return text;
}

/** Opens the page of the guide as somebody new. */
async function visit(url = server.url) {
	const { page } = await browser.visitor();
	await page.goto(new URL('/stage', url).href);
	return page;
}

/** Claps, and goes. @param {import('playwright-core').Page} visitor */
async function clap(visitor) {
	await visitor.getByText('Here now: 1').waitFor();
	await visitor.getByRole('button', { name: 'Clap', exact: true }).click();
	await visitor.getByRole('heading', { name: '1 claps' }).waitFor();
	await visitor.context().close();
}

/** The type check that CI runs. SvelteKit prepares it, and Vite then loads the pages again that are open. */
function check() {
	const program = run.start('npm', ['run', '--silent', 'check'], {
		cwd: checkout.path('frontend')
	});
	return program.ended;
}

/** @param {string} text */
function escaped(text) {
	return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
