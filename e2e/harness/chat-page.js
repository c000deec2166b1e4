// @ts-check
/** A room of the chat as a visitor sees it: its controls by their names, and what is said in it. */
import { VisitedPage } from './visited-page.js';

export class ChatPage extends VisitedPage {
	get name() {
		return this.page.getByRole('textbox', { name: 'Your name' });
	}

	get composer() {
		return this.page.getByRole('textbox', { name: 'Message' });
	}

	get send() {
		return this.button('Send');
	}

	get alert() {
		return this.page.getByRole('alert');
	}

	/** What the connection is said to be. */
	get status() {
		return this.page.locator('header').getByRole('status');
	}

	/** Everything that is said in the room. */
	get log() {
		return this.page.getByRole('log', { name: 'Messages' });
	}

	/** Who is there. */
	get people() {
		return this.page.getByRole('region', { name: 'Here now' }).getByRole('listitem');
	}

	/**
	 * Goes to a room, signs in if asked to, and waits until everything is there.
	 *
	 * @param {string} url The server's.
	 * @param {string} room
	 * @param {string} [name]
	 */
	async enter(url, room, name) {
		await this.page.goto(new URL(`/chat/${room}`, url).href);
		if (name !== undefined) await this.signIn(name);
		await this.ready();
		await this.mark();
		return this;
	}

	/** @param {string} name */
	async signIn(name) {
		await this.name.fill(name);
		await this.button('Sign in').click();
	}

	/** Waits until the room is connected and has been loaded. */
	async ready() {
		await this.status.getByText(/^(Connected|Caught up)/).waitFor({ state: 'attached' });
		await this.page.locator('[role=log][aria-busy=false]').waitFor();
	}

	/** Says something. @param {string} text */
	async say(text) {
		await this.composer.fill(text);
		await this.composer.press('Enter');
	}

	/** The messages that say exactly this. @param {string} text */
	messages(text) {
		return this.log
			.getByRole('listitem')
			.filter({ has: this.page.getByText(text, { exact: true }) });
	}

	/** Waits for a message that has been sent, by whomever. @param {string} text */
	async hears(text) {
		const sent = this.messages(text).and(this.page.locator(':not(.sending, .failed)'));
		await sent.waitFor();
		return sent;
	}

	/** Waits until the connection is said to be like this. @param {RegExp} words */
	async connectionIs(words) {
		await this.status.getByText(words).waitFor({ state: 'attached' });
	}
}
