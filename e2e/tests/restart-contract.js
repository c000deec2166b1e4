// @ts-check
/** What the page does when its server stops and comes back. */
import assert from 'node:assert/strict';

/** What a browser writes to the console by itself when nobody answers. */
export const NOBODY_ANSWERS =
	/ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET|WebSocket connection to .* failed/;

/**
 * @param {(name: string, body: () => Promise<void>) => void} scenario
 * @param {() => import('./page-contract.js').Place} place
 * @param {{ stop: () => Promise<unknown>, start: () => Promise<unknown> }} server
 */
export function restartContract(scenario, place, server) {
	scenario('the_page_comes_back_by_itself_after_a_restart', async () => {
		const visitor = await (await place().browser.visitor()).open(place().url);
		await visitor.establish();
		await visitor.name.fill('Ada');
		await visitor.signIn.click();
		await visitor.entry('received', /^You are signed in as Ada$/);
		await visitor.message.fill('half a sen');

		await server.stop();
		await visitor.entry(
			'connection',
			/^No connection \(code 1001: the server stops\), trying again$/
		);
		await visitor.state('Reconnecting');
		await server.start();

		await visitor.entry('received', /^You are signed in as Ada$/, { after: 1 });
		assert.equal(await visitor.message.inputValue(), 'half a sen');
		await visitor.send.click();
		await visitor.entry('received', /^half a sen \(/);
		await visitor.assertNotReloaded();
		visitor.assertNoErrors(NOBODY_ANSWERS);
		await visitor.close();
	});

	scenario('the_page_is_accessible_and_fits_while_it_reconnects', async () => {
		const visitors = await Promise.all(
			[390, 1280].flatMap((width) =>
				/** @type {const} */ (['light', 'dark']).map((colors) =>
					place().browser.visitor({ width, height: 844, colors })
				)
			)
		);
		for (const visitor of visitors) {
			await visitor.open(place().url);
			await visitor.establish();
		}
		await server.stop();
		for (const visitor of visitors) {
			await visitor.request.click();
			await visitor.entry('error', /^GET \/api\/test: the server cannot be reached$/);
			await visitor.name.fill('Ada');
			await visitor.signIn.click();
			await visitor.page.getByRole('alert').waitFor();
			await visitor.state('Reconnecting');
			await visitor.assertNoSidewaysScrolling();
			await visitor.assertAccessible();
		}
		await server.start();
		for (const visitor of visitors) {
			await visitor.state('Connected');
			await visitor.assertNotReloaded();
			visitor.assertNoErrors(NOBODY_ANSWERS);
			await visitor.close();
		}
	});
}
