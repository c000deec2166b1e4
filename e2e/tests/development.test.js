// @ts-check
/** The page on the development server, while the project is being edited. */
import assert from 'node:assert/strict';
import { Browser } from '../harness/browser.js';
import { Checkout } from '../harness/checkout.js';
import { DevServer } from '../harness/dev-server.js';
import { get } from '../harness/http.js';
import { scenarios } from '../harness/scenario.js';
import { until } from '../harness/wait.js';
import { chatContract, newRoom } from './chat-contract.js';
import { pageContract } from './page-contract.js';
import { roomsContract } from './rooms-contract.js';

const API = 'crates/app/src/api.rs';
const MASTHEAD = 'frontend/src/lib/components/Masthead.svelte';
const ANSWER = 'Hello world from GET handler';

/** @type {Checkout} */
let checkout;
/** @type {DevServer} */
let server;
/** @type {Browser} */
let browser;

const scenario = scenarios(async (run) => {
	browser = await Browser.start(run);
	checkout = await Checkout.make(run);
	server = await DevServer.start(run, checkout);
});

const visit = async () => {
	const visitor = await (await browser.visitor()).open(server.url);
	return visitor.listensToVite();
};

pageContract(scenario, () => ({ url: server.url, browser }));
roomsContract(scenario, () => ({ url: server.url }));
chatContract(scenario, () => ({ url: server.url, browser }));

scenario('a_foreign_host_is_refused', async () => {
	for (const path of ['/', '/api/test', '/websocket', '/src/app.css']) {
		const foreign = await get(server.port, path, { host: 'rebound.example' });
		assert.equal(foreign.status, 403, `${path}: ${foreign.body}`);
	}
	for (const host of ['localhost', '127.0.0.1', '[::1]', `localhost:${server.port}`]) {
		assert.equal((await get(server.port, '/healthz', { host })).status, 200, host);
	}
});

scenario('an_edited_component_appears_without_a_page_load', async () => {
	const visitor = await visit();
	await visitor.establish();
	await checkout.replace(MASTHEAD, '<h1>Duplex</h1>', '<h1>Duplex, edited</h1>');
	await visitor.page.getByRole('heading', { name: 'Duplex, edited' }).waitFor();
	await visitor.assertNotReloaded();
	await visitor.state('Connected');
	// Nothing is expected of this: Vite can take a second edit within a few milliseconds for the first one.
	await checkout.restore();
	visitor.assertNoErrors();
	await visitor.close();
});

scenario('an_edited_handler_answers_after_the_save_and_the_page_keeps_its_socket', async () => {
	const visitor = await visit();
	await visitor.establish();
	await visitor.message.fill('half a sentence');
	await server.swap(() => checkout.replace(API, ANSWER, 'Hello from an edited handler'));

	await answered(visitor, /Hello from an edited handler/);
	assert.equal(await visitor.message.inputValue(), 'half a sentence');
	await visitor.send.click();
	await visitor.entry('received', /^half a sentence \(/);

	await server.swap(() => checkout.restore());
	await answered(visitor, /Hello world from GET handler/);
	await visitor.assertNotReloaded();
	assert.equal(await visitor.count('connection', /./), 1, 'the connection is the first one');
	visitor.assertNoErrors();
	await visitor.close();
});

scenario('a_chat_goes_on_over_a_swap', async () => {
	const room = newRoom();
	const [ada, bob] = [
		await (await browser.chatter()).enter(server.url, room, 'Ada'),
		await (await browser.chatter()).enter(server.url, room, 'Bob')
	];
	await ada.say('before');
	await bob.hears('before');
	await ada.composer.fill('half a sentence');
	await server.swap(() => checkout.replace(API, ANSWER, 'Hello from an edited handler'));
	assert.equal(await ada.composer.inputValue(), 'half a sentence');
	await ada.composer.press('Enter');
	await bob.hears('half a sentence');
	await server.swap(() => checkout.restore());
	await bob.say('after');
	await ada.hears('after');
	for (const visitor of [ada, bob]) {
		// It would be "Caught up" if it had been lost.
		assert.equal(await visitor.status.innerText(), 'Connected');
		assert.equal(await visitor.messages('before').count(), 1);
		await visitor.assertNotReloaded();
		visitor.assertNoErrors();
		await visitor.close();
	}
});

scenario('a_compile_error_lies_over_every_page_until_it_is_mended', async () => {
	const first = await visit();
	const second = await visit();
	await first.establish();
	await checkout.replace(API, `message: "${ANSWER}"`, 'message: 42');
	await overlay(first).getByText('mismatched types').first().waitFor();
	await overlay(second).getByText('mismatched types').first().waitFor();
	await overlay(first).getByText('crates/app/src/api.rs:').first().waitFor();

	const third = await browser.visitor();
	await third.page.goto(server.url);
	await overlay(third).getByText('mismatched types').first().waitFor();

	// Vite takes down every overlay at an update; this one has to stand again afterwards.
	await checkout.replace(MASTHEAD, '<h1>Duplex</h1>', '<h1>Duplex, in trouble</h1>');
	await first.page.getByText('Duplex, in trouble').waitFor();
	await overlay(first).getByText('mismatched types').first().waitFor();

	// What ran before the mistake still does.
	await first.state('Connected');
	const { status, body } = await get(server.port, '/api/test');
	assert.deepEqual([status, JSON.parse(body).message], [200, ANSWER]);

	await server.swap(() => checkout.replace(API, 'message: 42', 'message: "mended"'));
	for (const visitor of [first, second, third]) {
		await overlay(visitor).waitFor({ state: 'detached' });
	}
	await first.assertNotReloaded();
	await second.assertNotReloaded();
	await answered(first, /mended/);
	assert.equal(await first.count('connection', /./), 1);
	await server.swap(() => checkout.restore());
	for (const visitor of [first, second, third]) {
		visitor.assertNoErrors();
		await visitor.close();
	}
});

/**
 * Asks until the answer is the one of the new code: a worker that retires goes on answering on the connections it has,
 * for as long as it takes clients to learn that they are to open new ones.
 *
 * @param {import('../harness/demo-page.js').DemoPage} visitor
 * @param {RegExp} text
 */
async function answered(visitor, text) {
	let asked = await visitor.count('request', /./);
	await until(`the answer ${text}`, async () => {
		await visitor.request.click();
		const answer = await visitor.entry('request', /./, { after: asked });
		asked += 1;
		return text.test(answer);
	});
}

/** @param {import('../harness/demo-page.js').DemoPage} visitor */
function overlay(visitor) {
	return visitor.page.locator('vite-error-overlay');
}
