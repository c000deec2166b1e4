// @ts-check
/** What the chat does for people in browsers, whichever server is below. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { until } from '../harness/wait.js';

/** What a browser writes to the console by itself while it is offline. */
const OFFLINE = /ERR_INTERNET_DISCONNECTED|WebSocket connection to .* failed/;

/**
 * Declares the tests.
 *
 * @param {(name: string, body: () => Promise<void>) => void} scenario
 * @param {() => import('./page-contract.js').Place} place Asked when a test begins.
 */
export function chatContract(scenario, place) {
	/**
	 * Somebody who has come into a room.
	 *
	 * @param {string} room
	 * @param {string} name
	 * @param {import('../harness/browser.js').View} [view]
	 */
	const enter = async (room, name, view) =>
		(await place().browser.chatter(view)).enter(place().url, room, name);

	scenario('two_people_talk_and_see_each_other', async () => {
		const room = newRoom();
		const [ada, bob] = [await enter(room, 'Ada'), await enter(room, 'Bob')];
		await seen(ada, ['Ada', 'Bob']);
		await seen(bob, ['Ada', 'Bob']);
		await ada.say('Grüße <b>& 🙂');
		await bob.hears('Grüße <b>& 🙂');
		await bob.say('hello yourself');
		await ada.hears('hello yourself');
		assert.equal(await ada.messages('Grüße <b>& 🙂').count(), 1);
		assert.equal(await ada.composer.inputValue(), '');
		await bob.close();
		await seen(ada, ['Ada']);
		ada.assertNoErrors();
		await ada.close();
	});

	scenario('what_was_said_is_there_for_whoever_comes_later', async () => {
		const room = newRoom();
		const ada = await enter(room, 'Ada');
		await ada.say('first');
		await ada.hears('first');
		const bob = await enter(room, 'Bob');
		await bob.hears('first');
		await ada.page.reload();
		await ada.ready();
		await ada.hears('first');
		for (const visitor of [ada, bob]) {
			visitor.assertNoErrors();
			await visitor.close();
		}
	});

	scenario('whoever_types_is_seen_typing_until_it_is_said', async () => {
		const room = newRoom();
		const [ada, bob] = [await enter(room, 'Ada'), await enter(room, 'Bob')];
		const typing = bob.page.getByText('Ada is typing…');
		await ada.composer.pressSequentially('hel');
		await typing.waitFor();
		assert.equal(await ada.page.getByText('Ada is typing…').count(), 0);
		await ada.composer.press('Enter');
		await bob.hears('hel');
		await typing.waitFor({ state: 'detached' });
		await ada.close();
		await bob.close();
	});

	scenario('whoever_was_offline_catches_up', async () => {
		const room = newRoom();
		const [ada, bob] = [await enter(room, 'Ada'), await enter(room, 'Bob')];
		await ada.page.context().setOffline(true);
		await ada.connectionIs(/^Reconnecting/);
		for (const text of ['one', 'two']) {
			await bob.say(text);
			await bob.hears(text);
		}
		await ada.page.context().setOffline(false);
		await ada.connectionIs(/^Caught up, 2 missed messages$/);
		for (const text of ['one', 'two']) assert.equal(await ada.messages(text).count(), 1);
		await ada.assertNotReloaded();
		ada.assertNoErrors(OFFLINE);
		await ada.close();
		await bob.close();
	});

	scenario('what_is_refused_is_taken_back_and_stays_with_its_author', async () => {
		const room = newRoom();
		const [ada, bob] = [await enter(room, 'Ada'), await enter(room, 'Bob')];
		const text = 'x'.repeat(2001);
		await ada.say(text);
		await ada.alert.getByText(/2000/).waitFor();
		assert.equal(await ada.messages(text).count(), 0);
		assert.equal(await ada.composer.inputValue(), text);
		await ada.say('shorter');
		await bob.hears('shorter');
		await ada.alert.waitFor({ state: 'detached' });
		assert.equal(await bob.messages(text).count(), 0);
		await ada.close();
		await bob.close();
	});

	scenario('what_could_not_be_sent_waits_to_be_tried_again_and_is_sent_once', async () => {
		const room = newRoom();
		const [ada, bob] = [await enter(room, 'Ada'), await enter(room, 'Bob')];
		await ada.page.context().setOffline(true);
		await ada.connectionIs(/^Reconnecting/);
		await ada.say('are you there?');
		const failed = ada.messages('are you there?').and(ada.page.locator('.failed'));
		await failed.waitFor();
		await ada.page.context().setOffline(false);
		await ada.connectionIs(/^Caught up/);
		await failed.getByRole('button', { name: 'Retry' }).click();
		await bob.hears('are you there?');
		await ada.hears('are you there?');
		assert.equal(await ada.messages('are you there?').count(), 1);
		assert.equal(await bob.messages('are you there?').count(), 1);
		await ada.close();
		await bob.close();
	});

	scenario('what_is_posted_from_outside_appears_and_says_so', async () => {
		const room = newRoom();
		const ada = await enter(room, 'Ada');
		const answer = await fetch(new URL(`/api/rooms/${room}/messages`, place().url), {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify({ author: 'Deploy', text: 'version 2 is out' })
		});
		assert.equal(answer.status, 201);
		const message = await ada.hears('version 2 is out');
		await message.getByText('via HTTP', { exact: true }).waitFor();
		ada.assertNoErrors();
		await ada.close();
	});

	scenario('a_change_of_rooms_keeps_the_page_and_leaves_the_other_room', async () => {
		const [room, other] = [newRoom(), newRoom()];
		const [ada, bob] = [await enter(room, 'Ada'), await enter(room, 'Bob')];
		await ada.page.getByRole('textbox', { name: 'Open a room' }).fill(other);
		await ada.page.keyboard.press('Enter');
		await ada.page.getByRole('heading', { name: other }).waitFor();
		await ada.ready();
		await seen(bob, ['Bob']);
		await bob.say('is anybody here?');
		await bob.hears('is anybody here?');
		await ada.say('nobody here');
		await ada.hears('nobody here');
		assert.equal(await ada.messages('is anybody here?').count(), 0);
		await ada.page.goBack();
		await ada.hears('is anybody here?');
		assert.equal(await ada.messages('nobody here').count(), 0);
		await ada.assertNotReloaded();
		ada.assertNoErrors();
		await ada.close();
		await bob.close();
	});

	scenario('who_signs_out_has_to_say_who_they_are_in_all_windows', async () => {
		const room = newRoom();
		const ada = await enter(room, 'Ada');
		const second = await ada.page.context().newPage();
		await second.goto(ada.page.url());
		await second.getByRole('textbox', { name: 'Message' }).waitFor();
		await ada.button('Sign out').click();
		await ada.name.waitFor();
		await second.getByRole('textbox', { name: 'Your name' }).waitFor();
		await ada.signIn('Grace');
		await ada.ready();
		await seen(ada, ['Grace']);
		ada.assertNoErrors();
		await ada.close();
	});

	scenario('the_chat_can_be_used_by_keyboard_alone', async () => {
		const room = newRoom();
		const ada = await place().browser.chatter();
		const { keyboard } = ada.page;
		await ada.page.goto(new URL(`/chat/${room}`, place().url).href);
		await ada.name.waitFor();
		await focused(ada.name);
		await keyboard.type('Ada');
		await keyboard.press('Enter');
		await ada.ready();
		await focused(ada.composer);
		await keyboard.type('one line');
		await keyboard.press('Shift+Enter');
		await keyboard.type('and another');
		await keyboard.press('Enter');
		await ada.hears('one line\nand another');
		await focused(ada.composer);
		await ada.tabTo(ada.log);
		await ada.tabTo(ada.page.getByRole('textbox', { name: 'Open a room' }));
		await keyboard.type('#Another Room');
		await keyboard.press('Enter');
		await ada.page.getByRole('heading', { name: 'another-room' }).waitFor();
		await ada.ready();
		await focused(ada.composer);
		await ada.tabTo(ada.button('Sign out'));
		await keyboard.press('Enter');
		await focused(ada.name);
		ada.assertNoErrors();
		await ada.close();
	});

	for (const width of [390, 1280]) {
		for (const colors of /** @type {const} */ (['light', 'dark'])) {
			scenario(`at_${width}_pixels_${colors}_the_chat_is_accessible_and_fits`, async () => {
				const room = newRoom();
				const ada = await place().browser.chatter({ width, height: 844, colors });
				const check = async () => {
					await ada.assertNoSidewaysScrolling();
					await ada.assertAccessible();
				};
				await ada.page.goto(new URL(`/chat/${room}`, place().url).href);
				await ada.name.waitFor();
				await check();
				await ada.signIn('Somebody with quite a long name, as long as one may be here: 64');
				await ada.ready();
				await check();
				await ada.say(`${'a'.repeat(300)} and some words`);
				await ada.hears(`${'a'.repeat(300)} and some words`);
				const bob = await enter(room, 'Bob');
				await bob.composer.pressSequentially('hello');
				await ada.page.getByText('Bob is typing…').waitFor();
				await check();
				await ada.page.context().setOffline(true);
				await ada.connectionIs(/^Reconnecting/);
				await ada.say('not now');
				await ada.messages('not now').and(ada.page.locator('.failed')).waitFor();
				await check();
				await ada.page.context().setOffline(false);
				await ada.connectionIs(/^Caught up/);
				await ada.say('x'.repeat(2001));
				await ada.alert.getByText(/2000/).waitFor();
				await check();
				await bob.close();
				await ada.close();
			});
		}
	}
}

/** A room that no other test is in. */
export function newRoom() {
	return randomUUID().slice(0, 32);
}

/**
 * Waits until exactly these people are there.
 *
 * @param {import('../harness/chat-page.js').ChatPage} visitor
 * @param {string[]} names
 */
async function seen(visitor, names) {
	await until(`${names.join(' and ')} to be there`, async () => {
		const people = await visitor.people.locator('.name').allInnerTexts();
		return people.sort().join() === names.join();
	});
}

/** Waits until a control has the focus. @param {import('playwright-core').Locator} control */
async function focused(control) {
	await until(`the focus to be on ${control}`, () =>
		control.evaluate((element) => element === document.activeElement)
	);
}
