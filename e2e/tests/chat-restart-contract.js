// @ts-check
/** What the chat does when its server is killed and comes back. */
import assert from 'node:assert/strict';
import { newRoom } from './chat-contract.js';
import { NOBODY_ANSWERS } from './restart-contract.js';

/**
 * @param {(name: string, body: () => Promise<void>) => void} scenario
 * @param {() => import('./page-contract.js').Place} place
 * @param {{ kill: () => Promise<unknown>, start: () => Promise<unknown> }} server
 */
export function chatRestartContract(scenario, place, server) {
	scenario('the_chat_survives_a_server_that_is_killed', async () => {
		const room = newRoom();
		const ada = await (await place().browser.chatter()).enter(place().url, room, 'Ada');
		const bob = await (await place().browser.chatter()).enter(place().url, room, 'Bob');
		await ada.say('before');
		await bob.hears('before');
		await ada.composer.fill('half a sen');

		await server.kill();
		await ada.connectionIs(/^Reconnecting$/);
		await ada.page.getByText(/^Reconnecting(, lost for| in) \d+ s$/).waitFor();
		await server.start();
		await posted(room, 'while nobody was connected');

		for (const visitor of [ada, bob]) {
			await visitor.connectionIs(/^(Caught up|Connected)/);
			await visitor.hears('while nobody was connected');
			assert.equal(await visitor.messages('before').count(), 1);
		}
		assert.equal(await ada.composer.inputValue(), 'half a sen');
		await ada.composer.press('Enter');
		await bob.hears('half a sen');
		for (const visitor of [ada, bob]) {
			await visitor.assertNotReloaded();
			visitor.assertNoErrors(NOBODY_ANSWERS);
			await visitor.close();
		}
	});

	/**
	 * @param {string} room
	 * @param {string} text
	 */
	async function posted(room, text) {
		const answer = await fetch(new URL(`/api/rooms/${room}/messages`, place().url), {
			method: 'POST',
			headers: { 'content-type': 'application/json' },
			body: JSON.stringify({ author: 'Deploy', text })
		});
		assert.equal(answer.status, 201);
	}
}
