// @ts-check
/** Open sockets while the server that they belong to is replaced: they move to the next one, and nobody notices. */
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Browser } from '../harness/browser.js';
import { Checkout } from '../harness/checkout.js';
import { DevServer } from '../harness/dev-server.js';
import { get } from '../harness/http.js';
import { addNumbers, NumberedPage } from '../harness/numbered-page.js';
import { scenarios } from '../harness/scenario.js';
import { until } from '../harness/wait.js';

const SWAPS = 20;

const API = 'crates/app/src/api.rs';
const LIB = 'crates/app/src/lib.rs';
const HANDOVER = 'crates/core/src/handover/mod.rs';

/** @type {Checkout} */
let checkout;
/** @type {DevServer} */
let server;
/** @type {Browser} */
let browser;

/** What the GET handler answers. */
let answer = 'Hello world from GET handler';

const scenario = scenarios(async (run) => {
	browser = await Browser.start(run);
	checkout = await Checkout.make(run);
	await addNumbers(checkout);
	server = await DevServer.start(run, checkout);
});

scenario('a_page_lives_through_twenty_swaps_and_notices_nothing', async () => {
	const visitor = await (await browser.visitor()).open(server.url);
	await visitor.establish();
	await visitor.message.fill('half a sentence');
	const numbers = await NumberedPage.begin(visitor, 'swaps');
	const requests = Requests.begin(numbers.channel);
	const before = await whoServes();
	assert.equal(before.sockets.length, 4, 'the page has four sockets');

	const workers = new Set([before.pid]);
	for (let swap = 1; swap <= SWAPS; swap += 1) {
		const worker = await edit(`Hello from worker ${swap}`);
		assert.ok(!workers.has(worker), 'the worker is a new process');
		workers.add(worker);
		// Each socket has the id and the peer, with its port, that it had before.
		assert.deepEqual(await whoServes(), { pid: worker, sockets: before.sockets });
		const received = await numbers.received();
		await until(
			'messages in both directions',
			async () => (await numbers.received()) > received + 50
		);
	}

	const posted = await requests.end();
	const account = await numbers.end();
	assert.deepEqual(account.faults, []);
	assert.deepEqual(account.events.toSorted(), OPENED);
	for (const [kind, ledger] of Object.entries(account.ledgers)) {
		const { lost, duplicated, disordered } = ledger;
		assert.deepEqual(
			{ lost, duplicated, disordered },
			{ lost: 0, duplicated: 0, disordered: 0 },
			kind
		);
	}
	assert.equal(account.ids.length, 1);
	assert.deepEqual(requests.failures, []);
	assert.deepEqual(account.posted.toSorted(ascending), posted);
	assert.equal(await visitor.message.inputValue(), 'half a sentence');
	assert.equal(await visitor.count('connection', /./), 1);
	await visitor.assertNotReloaded();
	visitor.assertNoErrors();
	summarize(account.ledgers, posted.length);
	await visitor.close();
});

scenario(
	'a_page_comes_back_from_a_worker_that_crashes_when_it_has_just_taken_over',
	async (run) => {
		const visitor = await (await browser.visitor()).open(server.url);
		await visitor.establish();
		await visitor.message.fill('half a sentence');
		const numbers = await NumberedPage.begin(visitor, 'crash');
		const once = join(run.folder, 'crash-once');
		await writeFile(once, '');
		const from = server.program.lines.length;
		await server.swap(() => checkout.replace(LIB, START, crashing(once)));
		await server.program.line(/ended unexpectedly/, { from });
		const ended = Date.now();
		await server.program.line(/restarted, worker (\d+) ready/, { from });
		const took = Date.now() - ended;
		assert.ok(took < 1_500, `it took ${took} ms until a worker served again`);

		await visitor.entry('connection', /^Connected$/, { after: 1 });
		await until('the SDK to be back', async () => {
			const events = await numbers.events();
			return events.filter((event) => event === 'client connected').length === 2;
		});
		const received = await numbers.received();
		await until('its messages', async () => (await numbers.received()) > received + 50);
		assert.equal(await visitor.message.inputValue(), 'half a sentence');
		await visitor.assertNotReloaded();
		await visitor.close();
		await server.swap(() => checkout.replace(LIB, crashing(once), START));
	}
);

scenario('sockets_of_another_state_version_are_closed_and_come_back', async () => {
	const visitor = await (await browser.visitor()).open(server.url);
	await visitor.establish();
	await visitor.message.fill('half a sentence');
	const numbers = await NumberedPage.begin(visitor, 'version');
	await server.swap(() => checkout.replace(HANDOVER, VERSION, `${VERSION}1`));

	await visitor.entry('connection', /^No connection \(code 1012: the server restarts\)/);
	await visitor.entry('connection', /^Connected$/, { after: 1 });
	await until('the SDK to be back', async () =>
		(await numbers.events()).slice(OPENED.length).some((event) => /^channel (re|sub)/.test(event))
	);
	const events = await numbers.events();
	assert.ok(events.includes('raw close 1012'), events.join());
	assert.ok(events.includes('client connecting 3001'), events.join());
	const received = await numbers.received();
	await until('its messages', async () => (await numbers.received()) > received + 50);
	assert.equal(await visitor.message.inputValue(), 'half a sentence');
	await visitor.assertNotReloaded();
	visitor.assertNoErrors();
	await visitor.close();
});

/** What happens to the connections of a page when they open, in no order. */
const OPENED = [
	'channel join',
	'channel subscribed',
	'client connected',
	'client connecting 0',
	'other connected',
	'other connecting 0',
	'raw open'
];

const VERSION = 'STATE_VERSION: u32 = 1';

/** A worker that ends some hundred milliseconds after it is ready, the first time that it is started. */
const START = '    let sessions = web::Data::new(';
const crashing = (/** @type {string} */ once) => `    if std::fs::remove_file("${once}").is_ok() {
        tokio::spawn(async {
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
            std::process::abort();
        });
    }
${START}`;

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
	const { pid, sockets } = JSON.parse(body);
	return { pid, sockets: sockets.toSorted(byId) };
}

/**
 * @param {{ id: string }} one
 * @param {{ id: string }} other
 */
function byId(one, other) {
	return one.id.localeCompare(other.id);
}

/**
 * @param {number} one
 * @param {number} other
 */
function ascending(one, other) {
	return one - other;
}

/** Requests that take their time and then have a number published: there is always one that is running. */
class Requests {
	/** @type {string[]} */
	failures = [];
	#channel;
	#number = 0;
	#isOver = false;
	/** @type {number[]} */
	#posted = [];
	/** @type {Promise<void>[]} */
	#clients = [];

	/** @param {string} channel */
	constructor(channel) {
		this.#channel = channel;
	}

	/** @param {string} channel */
	static begin(channel) {
		const requests = new Requests(channel);
		for (let clients = 0; clients < 3; clients += 1) requests.#clients.push(requests.#repeat());
		return requests;
	}

	/** Lets the last ones be answered, and returns the numbers of all, in order. */
	async end() {
		this.#isOver = true;
		await Promise.all(this.#clients);
		return this.#posted.toSorted(ascending);
	}

	async #repeat() {
		while (!this.#isOver && this.failures.length < 10) {
			this.#number += 1;
			const number = this.#number;
			try {
				const status = await post(`/numbers/${this.#channel}/${number}`);
				if (status !== 200) throw new Error(`status ${status}`);
				this.#posted.push(number);
			} catch (error) {
				this.failures.push(`${number}: ${error}`);
			}
		}
	}
}

/** @param {string} path @returns {Promise<number | undefined>} The status. */
function post(path) {
	return new Promise((resolve, reject) => {
		const options = { host: '127.0.0.1', port: server.port, path, method: 'POST', agent: false };
		const outgoing = request(options, (response) => {
			response.resume();
			response.on('error', reject);
			response.on('end', () => resolve(response.statusCode));
		});
		outgoing.on('error', reject);
		outgoing.end();
	});
}

/**
 * @param {Record<string, { sent: number, silence: number }>} ledgers
 * @param {number} posted
 */
function summarize(ledgers, posted) {
	const kinds = Object.entries(ledgers).map(
		([kind, { sent, silence }]) => `${kind} ${sent} (${silence} ms)`
	);
	console.log(
		`${SWAPS} swaps: ${kinds.join(', ')}, posted ${posted}; in parentheses the longest silence`
	);
}
