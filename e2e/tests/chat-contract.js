// @ts-check
/** What the chat does for people in browsers, whichever server is below. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { until } from '../harness/wait.js';

/** What a browser writes to the console by itself while it is offline. */
const OFFLINE = /ERR_INTERNET_DISCONNECTED|WebSocket connection to .* failed/;

/** How many messages somebody may send in a row. */
const BURST = 5;

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

	/**
	 * Somebody who talks without a browser.
	 *
	 * @param {string} room
	 * @param {string} name
	 */
	const guest = async (room, name) => {
		const session = await post('/api/session', { name });
		const cookie = session.headers.getSetCookie().map((line) => line.replace(/;.*/, ''));
		return (/** @type {string} */ text) =>
			post(`/api/rooms/${room}/messages`, { text }, { cookie: cookie.join('; ') });
	};

	/**
	 * Has this many lines said in a room, "line 1" and so on, by as many guests as may talk so fast.
	 *
	 * @param {string} room
	 * @param {number} count
	 */
	const fill = async (room, count) => {
		for (let line = 1, say; line <= count; line += 1) {
			if (line % BURST === 1) say = await guest(room, `Guest ${randomUUID().slice(0, 8)}`);
			await say?.(`line ${line}`);
		}
	};

	/**
	 * @param {string} path
	 * @param {object} body
	 * @param {Record<string, string>} [headers]
	 */
	const post = async (path, body, headers = {}) => {
		const answer = await fetch(new URL(path, place().url), {
			method: 'POST',
			headers: { 'content-type': 'application/json', ...headers },
			body: JSON.stringify(body)
		});
		assert.ok(answer.ok, `${path}: ${answer.status}`);
		return answer;
	};

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
		await ada.say('ding\u0007');
		await ada.alert.getByText(/nobody can see/).waitFor();
		assert.equal(await ada.messages('ding\u0007').count(), 0);
		assert.equal(await ada.composer.inputValue(), 'ding\u0007');
		await ada.say('ding');
		await bob.hears('ding');
		await ada.alert.waitFor({ state: 'detached' });
		assert.equal(await bob.messages('ding\u0007').count(), 0);
		await ada.close();
		await bob.close();
	});

	scenario('a_text_that_no_server_would_read_does_not_end_the_connection', async () => {
		const room = newRoom();
		const [ada, bob] = [await enter(room, 'Ada'), await enter(room, 'Bob')];
		const text = 'x'.repeat(1_100_000);
		await ada.say(text);
		await ada.alert.getByText(/2000/).waitFor();
		assert.equal((await ada.composer.inputValue()).length, text.length);
		await ada.say('shorter');
		await bob.hears('shorter');
		await ada.alert.waitFor({ state: 'detached' });
		await ada.connectionIs(/^Connected$/);
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

	scenario('what_is_written_before_a_room_has_been_loaded_is_not_lost', async () => {
		const [room, other] = [newRoom(), newRoom()];
		const ada = await enter(room, 'Ada');
		await ada.page.context().setOffline(true);
		await ada.connectionIs(/^Reconnecting/);
		await ada.open(other);
		await ada.say('where am I?');
		await ada.messages('where am I?').waitFor();
		await ada.messages('where am I?').and(ada.page.locator('.failed')).waitFor();
		await ada.page.context().setOffline(false);
		await ada.ready();
		await ada.button('Retry').click();
		await ada.hears('where am I?');
		await ada.close();
	});

	scenario('what_was_missed_is_not_hidden_by_what_was_written_meanwhile', async () => {
		const room = newRoom();
		await fill(room, 10);
		const ada = await enter(room, 'Ada');
		await ada.page.context().setOffline(true);
		await ada.connectionIs(/^Reconnecting/);
		// More than a channel keeps, and than is loaded at once.
		await fill(room, 110);
		await ada.say('hello again');
		await ada.page.context().setOffline(false);
		await ada.connectionIs(/^Caught up/);
		await ada.hears('line 110');
		const lines = await ada.log.getByText(/^line \d+$/).allInnerTexts();
		const expected = lines.map((_, index) => `line ${110 - lines.length + 1 + index}`);
		assert.deepEqual(lines, expected);
		await ada.button('Load earlier messages').waitFor();
		await ada.close();
	});

	scenario('whoever_reads_back_is_left_there', async () => {
		const room = newRoom();
		await fill(room, 65);
		const ada = await enter(room, 'Ada', { width: 800, height: 600 });
		const say = await guest(room, 'Bob');
		await ada.hears('line 65');
		await say('the end grows');
		await until('the end to be followed', async () => (await ada.scrolled()).below === 0);

		const atEnd = await ada.placeOf('line 55');
		await ada.wheel(-300);
		await ada.button('Newest messages').waitFor();
		const back = await ada.placeOf('line 55');
		near(back - atEnd, 300);
		await say('one');
		await say('two');
		await ada.button('2 new messages').waitFor();
		near(await ada.placeOf('line 55'), back);
		await ada.wheel(-100);
		near((await ada.placeOf('line 55')) - back, 100);

		await ada.button('2 new messages').click();
		await until('the end to be there', async () => (await ada.scrolled()).below === 0);
		assert.equal(await ada.button('2 new messages').count(), 0);
		ada.assertNoErrors();
		await ada.close();
	});

	scenario('what_is_loaded_above_moves_nothing', async () => {
		const room = newRoom();
		await fill(room, 65);
		const ada = await enter(room, 'Ada', { width: 800, height: 600 });
		await ada.hears('line 65');
		await ada.wheel(-10_000);
		const before = await ada.placeOf('line 20');
		await ada.button('Load earlier messages').click();
		await ada.hears('line 1');
		near(await ada.placeOf('line 20'), before);
		await ada.close();
	});

	scenario('what_is_posted_from_outside_appears_and_says_so', async () => {
		const room = newRoom();
		const ada = await enter(room, 'Ada');
		await post(`/api/rooms/${room}/messages`, { author: 'Deploy', text: 'version 2 is out' });
		const message = await ada.hears('version 2 is out');
		await message.getByText('via HTTP', { exact: true }).waitFor();
		ada.assertNoErrors();
		await ada.close();
	});

	scenario('a_change_of_rooms_keeps_the_page_and_leaves_the_other_room', async () => {
		const [room, other] = [newRoom(), newRoom()];
		const [ada, bob] = [await enter(room, 'Ada'), await enter(room, 'Bob')];
		await ada.open(other);
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

	scenario('nobody_speaks_in_the_name_of_whoever_signs_in_elsewhere', async () => {
		const room = newRoom();
		const ada = await enter(room, 'Ada');
		await ada.composer.fill('from Ada');
		const sent = ada.page.evaluate(
			() =>
				new Promise((resolve) => {
					const status = document.querySelector('header [role=status]');
					const send = document.querySelector('button[aria-label=Send]');
					new MutationObserver((_changes, observer) => {
						if (status?.textContent !== 'Reconnecting') return;
						observer.disconnect();
						if (send instanceof HTMLElement) send.click();
						resolve(null);
					}).observe(document, { characterData: true, childList: true, subtree: true });
				})
		);
		const second = await ada.secondTab();
		await second.signInQuietly('Bob');
		await sent;
		await ada.page.getByRole('region', { name: 'Account' }).getByText('Bob').waitFor();
		await ada.ready();
		await ada.say('from Bob');
		await ada.hears('from Bob');
		assert.equal(await ada.messages('from Ada').count(), 0);
		assert.equal(await ada.composer.inputValue(), '');
		await ada.close();
	});

	scenario('a_page_that_has_lost_its_visitor_asks_until_it_is_answered', async () => {
		const ada = await enter(newRoom(), 'Ada');
		let refusals = 3;
		await ada.page.route('**/api/session', (route) =>
			route.request().method() === 'GET' && refusals-- > 0 ? route.abort() : route.continue()
		);
		const second = await ada.secondTab();
		await second.page.evaluate(() => fetch('/api/session', { method: 'DELETE' }));
		await ada.name.waitFor();
		await ada.close();
	});

	scenario('whoever_signs_in_is_signed_in_in_all_windows', async () => {
		const room = newRoom();
		const ada = await place().browser.chatter();
		await ada.page.goto(new URL(`/chat/${room}`, place().url).href);
		await ada.name.waitFor();
		const second = await ada.secondTab();
		await second.signInQuietly('Ada');
		// What the browser says when a tab is looked at again; without a screen, all are looked at.
		await ada.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
		await ada.ready();
		await ada.close();
	});

	scenario('whoever_chooses_a_room_from_the_side_can_write_at_once', async () => {
		const ada = await enter(newRoom(), 'Ada', { width: 500, height: 800 });
		await ada.button('Rooms').click();
		await ada.page.getByRole('dialog').getByRole('link', { name: 'lobby' }).click();
		await ada.page.getByRole('heading', { name: 'lobby' }).waitFor();
		await focused(ada.composer);
		await ada.close();
	});

	scenario('on_the_lowest_screen_everything_can_be_reached', async () => {
		const ada = await enter(newRoom(), 'Ada', { width: 320, height: 256 });
		await ada.say('x'.repeat(2001));
		await ada.alert.getByText(/2000/).waitFor();
		await ada.page.evaluate(() => scrollTo(0, document.documentElement.scrollHeight));
		const box = await ada.send.boundingBox();
		assert.ok(box && box.y >= 0 && box.y + box.height <= 256, `Send is at ${JSON.stringify(box)}`);
		await ada.composer.fill('short');
		await ada.send.click();
		await ada.hears('short');
		await ada.assertNoSidewaysScrolling();
		await ada.close();
	});

	scenario('each_text_runs_in_its_own_direction', async () => {
		const ada = await enter(newRoom(), 'Ada');
		const directionOf = (/** @type {import('playwright-core').Locator} */ element) =>
			element.evaluate((found) => getComputedStyle(found).direction);
		await ada.say('hello (hello)!');
		await ada.composer.fill('שלום (עולם)!');
		assert.equal(await directionOf(ada.composer), 'rtl');
		await ada.composer.press('Enter');
		await ada.hears('שלום (עולם)!');
		assert.equal(await directionOf(ada.log.getByText('שלום (עולם)!')), 'rtl');
		assert.equal(await directionOf(ada.log.getByText('hello (hello)!')), 'ltr');
		await ada.close();
	});

	scenario('a_long_name_leaves_room_for_what_its_owner_does', async () => {
		const room = newRoom();
		const [ada, bob] = [
			await enter(room, 'W'.repeat(64)),
			await enter(room, 'Bob', { width: 390, height: 844 })
		];
		await ada.composer.pressSequentially('hello');
		const words = bob.page.getByText('is typing…', { exact: true });
		const box = await words.boundingBox();
		assert.ok(box && box.x + box.width <= 390, `the words are at ${JSON.stringify(box)}`);
		await bob.assertNoSidewaysScrolling();
		await ada.close();
		await bob.close();
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
		// Backwards, as there may be any number of rooms the other way round.
		await ada.tabTo(ada.log, 'Shift+Tab');
		await ada.tabTo(ada.page.getByRole('textbox', { name: 'Open a room' }), 'Shift+Tab');
		await keyboard.type('#Another Room');
		await keyboard.press('Enter');
		await ada.page.getByRole('heading', { name: 'another-room' }).waitFor();
		await ada.ready();
		await focused(ada.composer);
		await ada.tabTo(ada.button('Sign out'), 'Shift+Tab');
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

/**
 * Fails unless two places on the screen are the same, but for what rounding does.
 *
 * @param {number} actual
 * @param {number} expected
 */
function near(actual, expected) {
	assert.ok(Math.abs(actual - expected) <= 1, `${actual} instead of ${expected}`);
}

/** Waits until a control has the focus. @param {import('playwright-core').Locator} control */
async function focused(control) {
	await until(`the focus to be on ${control}`, () =>
		control.evaluate((element) => element === document.activeElement)
	);
}
