// @ts-check
/** The first page as a visitor sees it: its controls by their names, and its log. */
import { VisitedPage } from './visited-page.js';

export class DemoPage extends VisitedPage {
	get connect() {
		return this.button('Establish WebSocket connection');
	}

	get disconnect() {
		return this.button('Close WebSocket connection');
	}

	get request() {
		return this.button('Request data from GET endpoint');
	}

	get message() {
		return this.page.getByRole('textbox', { name: 'Message' });
	}

	get send() {
		return this.button('Send');
	}

	get name() {
		return this.page.getByRole('textbox', { name: 'Your name' });
	}

	get signIn() {
		return this.button('Sign in');
	}

	get signOut() {
		return this.button('Sign out');
	}

	/** Goes to the page and waits until it can act. @param {string} url */
	async open(url) {
		await this.page.goto(url);
		await this.page.waitForFunction(
			() => document.querySelector('button:not([disabled])') !== null
		);
		await this.mark();
		return this;
	}

	/** Another page of the same visitor. @param {string} url */
	async openTab(url) {
		return new DemoPage(await this.page.context().newPage()).open(url);
	}

	/** Connects, and waits for the greeting. */
	async establish() {
		await this.connect.click();
		await this.state('Connected');
		await this.entry('received', /^Hello from the server .+ \(\S+\)$/);
	}

	/** Waits for the state of the connection. @param {string} words */
	async state(words) {
		await this.page.getByRole('status').getByText(words, { exact: true }).waitFor();
	}

	/**
	 * Waits for the entry of that kind and text after the first `after` of them, and returns its text.
	 *
	 * @param {'sent' | 'received' | 'request' | 'connection' | 'error'} kind
	 * @param {RegExp} text
	 * @param {{ after?: number, patience?: number }} [options]
	 */
	async entry(kind, text, { after = 0, patience } = {}) {
		const entry = this.#entries(kind, text).nth(after);
		await entry.waitFor(patience === undefined ? {} : { timeout: patience });
		return entry.innerText();
	}

	/**
	 * How many such entries there are now.
	 *
	 * @param {'sent' | 'received' | 'request' | 'connection' | 'error'} kind
	 * @param {RegExp} text
	 */
	count(kind, text) {
		return this.#entries(kind, text).count();
	}

	/**
	 * @param {string} kind
	 * @param {RegExp} text
	 */
	#entries(kind, text) {
		return this.page.locator(`[role=log] li.${kind} .text`).filter({ hasText: text });
	}
}
