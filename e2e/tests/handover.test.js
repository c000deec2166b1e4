// @ts-check
/** Open sockets while the server that they belong to is replaced: they move to the next one, and nobody notices. */
import assert from 'node:assert/strict';
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Browser } from '../harness/browser.js';
import { Checkout } from '../harness/checkout.js';
import { DevServer } from '../harness/dev-server.js';
import { get } from '../harness/http.js';
import { addNumbers, NumberedPage } from '../harness/numbered-page.js';
import { scenarios } from '../harness/scenario.js';
import { SlowPosts } from '../harness/slow-posts.js';
import { until } from '../harness/wait.js';

const SWAPS = 20;

/** A worker that has crashed serves again after so long, which is more than it takes. */
const BACK_MS = 3_000;

const API = 'crates/app/src/api.rs';
const LIB = 'crates/app/src/lib.rs';
const HANDOVER = 'crates/core/src/handover/mod.rs';

const VERSION = 'STATE_VERSION: u32 = ';

/** The first line of what a worker does before it serves, and what can be put before it. */
const START = '    let sessions = web::Data::new(';
const failing = `    std::process::exit(3);\n${START}`;
const held = (/** @type {string} */ file) => `    let _ = std::fs::write("${file}", "");
    std::future::pending::<()>().await;
${START}`;
const crashing = (/** @type {string} */ file) => `    if std::fs::remove_file("${file}").is_ok() {
        tokio::spawn(async {
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
            std::process::abort();
        });
    }
${START}`;

/** @type {Checkout} */
let checkout;
/** @type {DevServer} */
let server;
/** @type {Browser} */
let browser;

/** What the GET handler answers. */
let answer = 'Hello world from GET handler';

const scenario = scenarios(async (run) => {
	[checkout, browser] = await Promise.all([Checkout.make(run), Browser.start(run)]);
	await addNumbers(checkout);
	server = await DevServer.start(run, checkout);
});

scenario('a_page_lives_through_twenty_swaps_and_notices_nothing', async () => {
	const page = await NumberedPage.open(browser, server.url, 'swaps');
	const posts = SlowPosts.begin(server.port, 'swaps');
	const before = await whoServes();
	assert.equal(before.sockets.length, NumberedPage.SOCKETS);

	const workers = new Set([before.pid]);
	for (let swap = 1; swap <= SWAPS; swap += 1) {
		const worker = await edit(`Hello from worker ${swap}`);
		assert.ok(!workers.has(worker), 'the worker is a new process');
		workers.add(worker);
		// Each socket has the id and the peer, with its port, that it had before.
		assert.deepEqual(await whoServes(), { pid: worker, sockets: before.sockets });
		await page.goesOn();
	}

	const answered = await posts.end();
	const { ledgers, posted } = await page.assertUndisturbed();
	assert.deepEqual(posts.failures, []);
	assert.deepEqual(posted, answered);
	await page.close();
	const kinds = Object.entries(ledgers).map(
		([kind, { sent, silence }]) => `${kind} ${sent} (${silence} ms)`
	);
	console.log(`${SWAPS} swaps: ${kinds.join(', ')}, posted ${posted.length}; (longest silence)`);
});

scenario('sockets_stay_where_they_are_until_there_is_a_program_that_can_take_them', async (run) => {
	const page = await NumberedPage.open(browser, server.url, 'unready');
	const before = await whoServes();
	const overlay = page.visitor.page.locator('vite-error-overlay');
	await checkout.replace(LIB, START, failing);
	await server.program.line(/ended before it was ready: .*the running program stays/);
	await overlay.getByText('ended before it was ready').first().waitFor();
	assert.deepEqual(await whoServes(), before);

	// One that is overtaken while it starts.
	const file = join(run.folder, 'held');
	await checkout.replace(LIB, failing, held(file));
	await until('a worker that is not ready', () => exists(file));
	await page.goesOn();
	const worker = await server.swap(() => checkout.replace(LIB, held(file), START));
	await overlay.waitFor({ state: 'detached' });
	assert.deepEqual(await whoServes(), { pid: worker, sockets: before.sockets });
	await page.goesOn();
	await page.assertUndisturbed();
	await page.close();
});

scenario('a_page_comes_back_from_a_worker_that_crashes_when_it_has_taken_over', async (run) => {
	const page = await NumberedPage.open(browser, server.url, 'crash');
	const once = join(run.folder, 'crash-once');
	await writeFile(once, '');
	const from = server.program.lines.length;
	await server.swap(() => checkout.replace(LIB, START, crashing(once)));
	await server.program.line(/ended unexpectedly/, { from });
	const ended = Date.now();
	await server.program.line(/restarted, worker (\d+) ready/, { from });
	const took = Date.now() - ended;
	assert.ok(took < BACK_MS, `it took ${took} ms until a worker served again`);

	await page.visitor.entry('connection', /^Connected$/, { after: 1 });
	await page.happens('client connected', 2);
	await page.goesOn();
	await page.assertStillThere();
	await page.close();
	await server.swap(() => checkout.replace(LIB, crashing(once), START));
});

scenario('sockets_that_do_not_fit_into_the_next_program_are_closed_and_come_back', async () => {
	const page = await NumberedPage.open(browser, server.url, 'version');
	await server.swap(() => checkout.replace(HANDOVER, VERSION, `${VERSION}1000 + `));
	// What channels keep has a version of its own, so nothing is missed.
	await assertClosedAndBack(page, 'channel recovered', 1);
});

scenario('a_swap_whose_handover_breaks_is_made_without_it', async (run) => {
	await server.program.stop();
	const env = { DUPLEX_FAIL_AT: 'frozen:close' };
	server = await DevServer.start(run, checkout, { env });
	const page = await NumberedPage.open(browser, server.url, 'broken');
	const from = server.program.lines.length;
	await edit('Hello from a worker with nothing');
	await server.program.line(/the open sockets cannot move/, { from });
	await assertClosedAndBack(page, 'channel subscribed', 2);
});

/**
 * @param {NumberedPage} page
 * @param {'channel recovered' | 'channel subscribed'} how
 * @param {number} times how often the page has seen that, with its first subscription
 */
async function assertClosedAndBack(page, how, times) {
	const { visitor } = page;
	await visitor.entry('connection', /^No connection \(code 1012: the server restarts\)/);
	await visitor.entry('connection', /^Connected$/, { after: 1 });
	await page.happens('raw close 1012');
	await page.happens('client connecting 3001');
	await page.happens('client connected', 2);
	await page.happens(how, times);
	await page.goesOn();
	await page.assertStillThere();
	// The SDK says what it has to say until the close of its socket is finished, which the browser notes.
	visitor.assertNoErrors(/already in CLOSING/);
	await page.close();
}

/**
 * Edits the application, and waits for the worker that is built of it.
 *
 * @param {string} text What the GET handler answers then.
 */
async function edit(text) {
	const worker = await server.swap(() => checkout.replace(API, answer, text));
	answer = text;
	return worker;
}

/**
 * Which process answers, and its sockets: an id and the address of the other end of each.
 *
 * @returns {Promise<{ pid: number, sockets: { id: string, peer: string }[] }>}
 */
async function whoServes() {
	const { status, body } = await get(server.port, '/numbers/process');
	assert.equal(status, 200, body);
	/** @type {{ pid: number, sockets: { id: string, peer: string }[] }} */
	const { pid, sockets } = JSON.parse(body);
	return { pid, sockets: sockets.toSorted((one, other) => one.id.localeCompare(other.id)) };
}

/** @param {string} file */
function exists(file) {
	return access(file).then(
		() => true,
		() => false
	);
}
