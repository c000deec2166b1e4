// @ts-check
/** A page of the server's own origin, with the SDK's build for browsers and the modules that are the same in Node. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder that this one is in. */
const HERE = fileURLToPath(new URL('..', import.meta.url));

const SDK = join(HERE, 'node_modules/centrifuge/dist/centrifuge.js');

/** Where the page finds that folder. The server itself has nothing there. */
const MOUNT = '/e2e/';

export class SdkPage {
	#page;
	#origin;

	/**
	 * @param {import('playwright-core').Page} page
	 * @param {string} origin
	 */
	constructor(page, origin) {
		this.#page = page;
		this.#origin = origin;
	}

	/**
	 * @param {import('./browser.js').Browser} browser
	 * @param {string} origin
	 */
	static async open(browser, origin) {
		const { page } = await browser.visitor();
		await page.route(`${origin}${MOUNT}**`, (route) => {
			const { pathname } = new URL(route.request().url());
			return route.fulfill({ path: join(HERE, pathname.slice(MOUNT.length)) });
		});
		await page.goto(origin);
		await page.addScriptTag({ path: SDK });
		return new SdkPage(page, origin);
	}

	/** Tries a fact in the page. @param {string} fact */
	async prove(fact) {
		await this.#page.evaluate(
			async ({ fact, origin, modules }) => {
				const { prove } = await import(`${modules}sdk/stage.js`);
				await prove(fact, { Centrifuge: Reflect.get(window, 'Centrifuge'), options: {}, origin });
			},
			{ fact, origin: this.#origin, modules: `${this.#origin}${MOUNT}` }
		);
	}
}
