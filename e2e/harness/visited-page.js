// @ts-check
/** A page as a visitor sees it, whichever it is: what went wrong in it, and what must not happen in any. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { until } from './wait.js';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export class VisitedPage {
	/** @type {import('playwright-core').Page} */
	page;
	/** Errors of scripts, and what was written to the console as an error. @type {string[]} */
	errors = [];
	/** Everything that was written to the console, with its kind. @type {string[]} */
	console = [];
	/** The value that marks this load of the page. */
	#mark = Math.random();

	/** @param {import('playwright-core').Page} page */
	constructor(page) {
		this.page = page;
		page.on('pageerror', (error) => this.errors.push(String(error)));
		page.on('console', (message) => {
			this.console.push(`${message.type()}: ${message.text()}`);
			if (message.type() === 'error') this.errors.push(message.text());
		});
	}

	/** The button with this name. @param {string} name */
	button(name) {
		return this.page.getByRole('button', { name, exact: true });
	}

	/** Remembers this load of the page, to be compared with the one there is later. */
	async mark() {
		await this.page.evaluate((mark) => Object.assign(window, { duplexMark: mark }), this.#mark);
	}

	/** Waits until Vite's client listens: an edit before that is one that the page never hears of. */
	async listensToVite() {
		await until("Vite's client to be connected", () =>
			this.console.some((line) => line.endsWith('[vite] connected.'))
		);
		return this;
	}

	/** Fails if the page has been loaded anew since `open`. */
	async assertNotReloaded() {
		const mark = await this.page.evaluate(() => Reflect.get(window, 'duplexMark'));
		assert.equal(mark, this.#mark, 'the page has been loaded anew');
	}

	/** Fails if a script failed or complained. @param {RegExp} [expected] What it may complain about. */
	assertNoErrors(expected) {
		const unexpected = this.errors.filter((error) => !expected?.test(error));
		assert.deepEqual(unexpected, []);
	}

	/** Fails if the page is wider than the window. */
	async assertNoSidewaysScrolling() {
		const [content, window_] = await this.page.evaluate(() => [
			document.documentElement.scrollWidth,
			document.documentElement.clientWidth
		]);
		assert.ok(
			content !== undefined && window_ !== undefined && content <= window_,
			`${content} > ${window_}`
		);
	}

	/** Fails if axe finds anything to complain about. */
	async assertAccessible() {
		await this.page.evaluate(axe);
		const found = await this.page.evaluate(async () => {
			/** @type {{ run: () => Promise<{ violations: any[], passes: any[] }> }} */
			const runner = Reflect.get(window, 'axe');
			const { violations, passes } = await runner.run();
			return {
				passed: passes.length,
				violations: violations.map(({ id, nodes }) => {
					const parts = nodes.map((/** @type {{ html: string }} */ { html }) => html);
					return `${id}: ${parts.join(' ')}`;
				})
			};
		});
		assert.deepEqual(found.violations, []);
		assert.ok(found.passed > 10, 'axe looked at nothing');
	}

	/**
	 * Presses Tab until a control has the focus.
	 *
	 * @param {import('playwright-core').Locator} control
	 * @param {'Tab' | 'Shift+Tab'} [key] Which way round.
	 */
	async tabTo(control, key = 'Tab') {
		for (let presses = 0; presses < 30; presses += 1) {
			await this.page.keyboard.press(key);
			if (await control.evaluate((element) => element === document.activeElement)) {
				const visible = await control.evaluate((element) => {
					const { outlineStyle, boxShadow } = getComputedStyle(element);
					return outlineStyle !== 'none' || boxShadow !== 'none';
				});
				assert.ok(visible, 'the focus cannot be seen');
				return;
			}
		}
		assert.fail(`no way to ${control} by the Tab key`);
	}

	close() {
		return this.page.context().close();
	}
}
