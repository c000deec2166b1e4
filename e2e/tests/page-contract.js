// @ts-check
/** What the page does on every server: in development, in preview and in production. */
import assert from 'node:assert/strict';

const GREETING = /^Hello from the server .+ \(\S+\)$/;
const FROM_HANDLER = /^Hello from the GET handler at /;

/**
 * Where the page is and who visits it.
 *
 * @typedef {{ url: string, browser: import('../harness/browser.js').Browser }} Place
 */

/**
 * Declares the tests.
 *
 * @param {(name: string, body: () => Promise<void>) => void} scenario
 * @param {() => Place} place Asked when a test begins.
 */
export function pageContract(scenario, place) {
	scenario('both_buttons_work_and_the_log_shows_it', async () => {
		const visitor = await place().browser.visitor();
		await visitor.open(place().url);
		await visitor.establish();
		assert.equal(await visitor.count('connection', /^Connected$/), 1);

		await visitor.request.click();
		const answer = JSON.parse(await visitor.entry('request', /Hello world from GET handler/));
		assert.deepEqual(answer, {
			success: true,
			message: 'Hello world from GET handler',
			url: new URL('/api/test', place().url).href
		});
		await visitor.entry('received', FROM_HANDLER);

		await visitor.disconnect.click();
		await visitor.state('Not connected');
		await visitor.assertNotReloaded();
		visitor.assertNoErrors();
		await visitor.close();
	});

	scenario('a_request_is_answered_without_a_connection_too', async () => {
		const visitor = await (await place().browser.visitor()).open(place().url);
		await visitor.request.click();
		await visitor.entry('request', /"success":true/);
		assert.equal(await visitor.count('received', FROM_HANDLER), 0);
		visitor.assertNoErrors();
		await visitor.close();
	});

	scenario('the_get_handlers_message_reaches_a_second_tab_too', async () => {
		const first = await (await place().browser.visitor()).open(place().url);
		const second = await first.openTab(place().url);
		await first.establish();
		await second.establish();
		await first.request.click();
		const heard = await Promise.all([
			first.entry('received', FROM_HANDLER),
			second.entry('received', FROM_HANDLER)
		]);
		assert.equal(heard[0], heard[1]);
		assert.equal(await second.count('request', /./), 0);
		second.assertNoErrors();
		await first.close();
	});

	scenario('a_message_comes_back_to_its_sender_alone', async () => {
		const sender = await (await place().browser.visitor()).open(place().url);
		const other = await (await place().browser.visitor()).open(place().url);
		await sender.establish();
		await other.establish();
		const id = (await sender.entry('received', GREETING)).match(/\((\S+)\)$/)?.[1];
		await sender.message.fill('Grüße <b>& 🙂');
		await sender.send.click();
		assert.equal(await sender.entry('received', /^Grüße/), `Grüße <b>& 🙂 (${id})`);
		assert.equal(await sender.message.inputValue(), '');

		// What is sent to everyone afterwards has arrived, so anything sent before would have too.
		await sender.request.click();
		await other.entry('received', FROM_HANDLER);
		assert.equal(await other.count('received', /^Grüße/), 0);
		sender.assertNoErrors();
		other.assertNoErrors();
		await sender.close();
		await other.close();
	});

	scenario('the_socket_knows_who_has_signed_in_and_forgets_who_has_signed_out', async () => {
		const visitor = await (await place().browser.visitor()).open(place().url);
		await visitor.establish();
		await visitor.name.fill('Ada');
		await visitor.signIn.click();
		await visitor.entry('received', /^You are signed in as Ada$/);
		const received = await visitor.page.locator('[role=log] li.received .text').allInnerTexts();
		assert.match(received.at(-2) ?? '', GREETING);
		assert.equal(received.at(-1), 'You are signed in as Ada');

		await visitor.signOut.click();
		await visitor.entry('received', GREETING, { after: 2 });
		assert.equal(await visitor.count('received', /^You are signed in/), 1);
		await visitor.assertNotReloaded();
		visitor.assertNoErrors();
		await visitor.close();
	});

	scenario('everything_can_be_done_by_keyboard', async () => {
		const visitor = await (await place().browser.visitor()).open(place().url);
		const { keyboard } = visitor.page;
		await visitor.tabTo(visitor.connect);
		await keyboard.press('Enter');
		await visitor.entry('received', GREETING);
		await visitor.tabTo(visitor.request);
		await keyboard.press('Space');
		await visitor.entry('request', /"success":true/);
		await visitor.tabTo(visitor.name);
		await keyboard.type('Grace');
		await keyboard.press('Enter');
		await visitor.entry('received', /^You are signed in as Grace$/);
		await visitor.tabTo(visitor.page.getByRole('log'));
		await visitor.tabTo(visitor.message);
		await keyboard.type('typed');
		await keyboard.press('Enter');
		await visitor.entry('received', /^typed \(/);
		await visitor.tabTo(visitor.signOut);
		await keyboard.press('Enter');
		await visitor.entry('connection', /^Signed out$/);
		await visitor.tabTo(visitor.disconnect);
		await keyboard.press('Enter');
		await visitor.state('Not connected');
		await visitor.assertNotReloaded();
		visitor.assertNoErrors();
		await visitor.close();
	});

	for (const width of [390, 1280]) {
		for (const colors of /** @type {const} */ (['light', 'dark'])) {
			scenario(`at_${width}_pixels_${colors}_every_state_is_accessible_and_fits`, async () => {
				const visitor = await place().browser.visitor({ width, height: 844, colors });
				await visitor.open(place().url);
				const check = async () => {
					await visitor.assertNoSidewaysScrolling();
					await visitor.assertAccessible();
				};
				await check();
				await visitor.establish();
				await check();
				await visitor.name.fill('Somebody with quite a long name, as long as one may be here: 64');
				await visitor.signIn.click();
				await visitor.entry('received', /^You are signed in as Somebody/);
				await visitor.request.click();
				await visitor.entry('request', /"success":true/);
				await visitor.message.fill('w'.repeat(400));
				await visitor.send.click();
				await visitor.entry('received', /^w{400} \(/);
				await check();
				visitor.assertNoErrors();
				await visitor.close();
			});
		}
	}
}
