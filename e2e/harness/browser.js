// @ts-check
/** Chromium, and pages in it that remember what went wrong in them. */
import { access } from 'node:fs/promises';
import { chromium } from 'playwright-core';
import { ChatPage } from './chat-page.js';
import { DemoPage } from './demo-page.js';
import { PATIENCE_MS } from './wait.js';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** No sandbox, because tests run as root in containers; nothing that talks to the outside world. */
const FLAGS = [
	'--headless',
	'--no-sandbox',
	'--disable-gpu',
	'--disable-quic',
	'--no-first-run',
	'--disable-background-networking',
	'--disable-component-update',
	'--disable-sync'
];

/**
 * How a page is shown.
 *
 * @typedef {{ width?: number, height?: number, colors?: 'light' | 'dark' }} View
 */

export class Browser {
	/** @type {import('playwright-core').Browser} */
	#browser;
	/** @type {import('./visited-page.js').VisitedPage[]} */
	#visitors = [];

	/** @param {import('playwright-core').Browser} browser */
	constructor(browser) {
		this.#browser = browser;
	}

	/** Starts a browser that ends with the run. @param {import('./run.js').Run} run */
	static async start(run) {
		const environment = Object.entries(run.environment()).filter(
			([, value]) => value !== undefined
		);
		const browser = await chromium.launch({
			executablePath: await findChromium(),
			args: FLAGS,
			env: /** @type {Record<string, string>} */ (Object.fromEntries(environment))
		});
		run.atEnd(() => browser.close());
		const started = new Browser(browser);
		run.explain(() => started.#transcript());
		return started;
	}

	/**
	 * Makes a visitor of the first page, with cookies of their own.
	 *
	 * @param {View} [view]
	 */
	async visitor(view) {
		return this.#remember(new DemoPage(await this.#window(view)));
	}

	/**
	 * Makes a visitor of the chat, with cookies of their own.
	 *
	 * @param {View} [view]
	 */
	async chatter(view) {
		return this.#remember(new ChatPage(await this.#window(view)));
	}

	/**
	 * @template {import('./visited-page.js').VisitedPage} T
	 * @param {T} visitor
	 */
	#remember(visitor) {
		this.#visitors.push(visitor);
		return visitor;
	}

	/** @param {View} [view] */
	async #window({ width = 1280, height = 800, colors = 'light' } = {}) {
		const context = await this.#browser.newContext({
			viewport: { width, height },
			colorScheme: colors,
			reducedMotion: 'reduce'
		});
		context.setDefaultTimeout(PATIENCE_MS);
		return context.newPage();
	}

	close() {
		return this.#browser.close();
	}

	/** What the pages that are open have written to their consoles. */
	#transcript() {
		const open = this.#visitors.filter(({ page }) => !page.isClosed());
		return open.map(({ page, console }) => `--- ${page.url()}\n${console.join('\n')}`).join('\n');
	}
}

async function findChromium() {
	const wanted = process.env['DUPLEX_CHROMIUM'];
	for (const place of wanted === undefined ? PLACES : [wanted]) {
		const found = await access(place).then(
			() => true,
			() => false
		);
		if (found) return place;
	}
	throw new Error(
		`no Chromium in ${wanted ?? PLACES.join(', ')}: scripts/test.sh says how to install it`
	);
}
