// @ts-check
/** A room of the chat as a visitor sees it: its controls by their names, and what is said in it. */
import assert from 'node:assert/strict';
import { VisitedPage } from './visited-page.js';

/** For how many frames nothing may have moved, to be called still. */
const STILL_FRAMES = 10;

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

	/** Goes to another room by its name. @param {string} room */
	async open(room) {
		await this.page.getByRole('textbox', { name: 'Open a room' }).fill(room);
		await this.page.keyboard.press('Enter');
		await this.page.getByRole('heading', { name: room }).waitFor();
	}

	/** Another tab of the same visitor, at the same place. */
	async secondTab() {
		const second = new ChatPage(await this.page.context().newPage());
		await second.page.goto(this.page.url());
		return second;
	}

	/** Has somebody sign in in this browser, of which its pages are not told. @param {string} name */
	async signInQuietly(name) {
		const status = await this.page.evaluate(async (name) => {
			const headers = { 'content-type': 'application/json' };
			const body = JSON.stringify({ name });
			const answer = await fetch('/api/session', { method: 'POST', headers, body });
			return answer.status;
		}, name);
		assert.equal(status, 200);
	}

	/** Turns the wheel over the messages, and waits until they lie still. @param {number} pixels */
	async wheel(pixels) {
		await this.log.hover();
		await this.page.mouse.wheel(0, pixels);
		await this.log.evaluate(
			(list, stillFrames) =>
				new Promise((resolve) => {
					let [place, stillFor] = [list.scrollTop, 0];
					const look = () => {
						stillFor = list.scrollTop === place ? stillFor + 1 : 0;
						place = list.scrollTop;
						if (stillFor === stillFrames) resolve(null);
						else requestAnimationFrame(look);
					};
					look();
				}),
			STILL_FRAMES
		);
	}

	/** How much of the messages is above and below what is seen, in pixels. */
	scrolled() {
		return this.log.evaluate(({ scrollTop, scrollHeight, clientHeight }) => ({
			above: Math.round(scrollTop),
			below: Math.round(scrollHeight - scrollTop - clientHeight)
		}));
	}

	/** Where a message is on the screen, in pixels from its top. @param {string} text */
	async placeOf(text) {
		const box = await this.messages(text).boundingBox();
		if (box === null) throw new Error(`${text} is not there`);
		return Math.round(box.y + box.height);
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
