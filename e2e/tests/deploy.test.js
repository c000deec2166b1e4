// @ts-check
/** What happens to pages that are open when a new version of the site is put in the place of the old one. */
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { Browser } from '../harness/browser.js';
import { Checkout } from '../harness/checkout.js';
import { ProdServer } from '../harness/prod-server.js';
import { scenarios } from '../harness/scenario.js';
import { newRoom } from './chat-contract.js';
import { NOBODY_ANSWERS } from './restart-contract.js';

const WELCOME = 'frontend/src/lib/components/chat/Welcome.svelte';
const FINGERPRINTS = 'frontend/src/lib/contract/fingerprints.ts';

/** @type {Checkout} */
let checkout;
/** @type {Browser} */
let browser;
/** @type {ProdServer} */
let server;
/** @type {import('../harness/run.js').Run} */
let run;

const scenario = scenarios(async (begun) => {
	run = begun;
	[checkout, browser] = await Promise.all([Checkout.make(run), Browser.start(run)]);
});

scenario('the_same_sources_are_the_same_version', async () => {
	await build('first');
	await build('second');
	server = await ProdServer.start(run, { assets: site('first') });
	const ada = await enter(newRoom());
	await replaceServer('second');
	await ada.connectionIs(/^Caught up/);
	assert.equal(await notice(ada).count(), 0);
	ada.assertNoErrors(NOBODY_ANSWERS);
	await ada.close();
});

scenario('a_page_learns_of_a_new_version_and_takes_it_when_its_visitor_likes', async () => {
	await checkout.replace(WELCOME, 'this is a demo.', 'this is the new demo.');
	await build('third');
	const room = newRoom();
	const ada = await enter(room);
	await ada.composer.fill('half a sentence');
	await replaceServer('third');
	await notice(ada).waitFor();
	await ada.assertAccessible();
	await ada.assertNotReloaded();
	await ada.say('still the old page');
	await ada.hears('still the old page');
	await ada.composer.fill('half a sentence');

	await ada.button('Reload').click();
	await ada.ready();
	assert.equal(await ada.composer.inputValue(), 'half a sentence');
	await ada.hears('still the old page');
	assert.equal(await notice(ada).count(), 0);
	await ada.button('Sign out').click();
	await ada.page.getByText('this is the new demo.').waitFor();
	ada.assertNoErrors(NOBODY_ANSWERS);
	await ada.close();
});

scenario('a_channel_that_has_changed_is_not_entered_and_the_page_says_why', async () => {
	await checkout.replace(FINGERPRINTS, "'chat:': '", "'chat:': '0");
	await build('stranger');
	await checkout.restore();
	await server.program.stop();
	server = await ProdServer.start(run, { assets: site('stranger'), port: server.port });
	const ada = await browser.chatter();
	await ada.page.goto(new URL(`/chat/${newRoom()}`, server.url).href);
	await ada.signIn('Ada');
	await ada.page
		.getByText(/older than the server/)
		.first()
		.waitFor();
	await notice(ada).waitFor();
	ada.assertNoErrors();
	await ada.close();
});

scenario('a_call_that_has_changed_is_not_made_and_the_page_says_why', async () => {
	const text = await checkout.read(FINGERPRINTS);
	await checkout.write(
		FINGERPRINTS,
		text.replace(/('chat.send': ')[0-9a-f]+/, '$10123456789abcdef')
	);
	await build('other');
	await server.program.stop();
	server = await ProdServer.start(run, { assets: site('other'), port: server.port });
	const ada = await enter(newRoom());
	await ada.say('do you know me?');
	await ada.alert.getByText(/older than the server/).waitFor();
	assert.equal(await ada.composer.inputValue(), 'do you know me?');
	assert.equal(await ada.messages('do you know me?').count(), 0);
	ada.assertNoErrors();
	await ada.close();
});

/** @param {string} name */
function site(name) {
	return join(run.folder, name);
}

/** Builds the front end of the copy, under a name. @param {string} name */
async function build(name) {
	const program = run.start(checkout.path('scripts/build-frontend.sh'));
	assert.equal((await program.ended).code, 0);
	await cp(checkout.path('frontend/build'), site(name), { recursive: true });
	await checkout.removeMade('frontend/build');
}

/** Deploys another site. @param {string} name */
async function replaceServer(name) {
	await server.program.stop();
	server = await ProdServer.start(run, { assets: site(name), port: server.port });
}

/** @param {string} room */
async function enter(room) {
	return (await browser.chatter()).enter(server.url, room, 'Ada');
}

/** @param {import('../harness/chat-page.js').ChatPage} visitor */
function notice(visitor) {
	return visitor.page.getByText('A new version is ready');
}
