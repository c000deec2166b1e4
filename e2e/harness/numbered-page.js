// @ts-check
/**
 * A page that exchanges numbered messages with its server all the time, and what has to be added to the application for
 * that.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './wait.js';

/** The folder that this one is in. */
const HERE = fileURLToPath(new URL('..', import.meta.url));

const SDK = join(HERE, 'node_modules/centrifuge/dist/centrifuge.js');
const SERVER = join(HERE, 'numbers/server.rs');
const PAGE = join(HERE, 'numbers/page.js');

/** Where the page finds its part. The server itself has nothing there. */
const MOUNT = 'e2e/numbers.js';

/** What is added to a line of the application's. @type {[file: string, line: string, added: (line: string) => string][]} */
const ADDITIONS = [
	['crates/app/src/lib.rs', 'mod name;\n', (line) => `${line}mod numbers;\n`],
	[
		'crates/app/src/lib.rs',
		'settings.namespaces = contract.namespaces()',
		(line) => `${line}.with("numbers", numbers::options())`
	],
	[
		'crates/app/src/lib.rs',
		'.service(web::scope("/api")',
		(line) => `.configure(numbers::routes)\n${line}`
	],
	[
		'crates/app/src/hooks.rs',
		'self.contract.on_subscribe(',
		(line) => `if crate::numbers::has(&asked.channel) { return Ok(Grant::default()); }\n${line}`
	],
	[
		'crates/app/src/hooks.rs',
		'self.contract.on_publish(',
		(line) => `if crate::numbers::has(&asked.channel) { return Ok(asked.data); }\n${line}`
	],
	[
		'crates/app/src/hooks.rs',
		'self.contract.on_call(',
		(line) => `if let Some(answer) = crate::numbers::answer(&calling.method, &calling.data).await {
            return Ok(answer);
        }
        ${line}`
	]
];

/** Adds the server's part to the application. @param {import('./checkout.js').Checkout} checkout */
export async function addNumbers(checkout) {
	await checkout.write('crates/app/src/numbers.rs', await readFile(SERVER, 'utf8'));
	for (const [file, line, added] of ADDITIONS) await checkout.replace(file, line, added(line));
}

/** What happens to the connections of the page when they open, in no order. */
const OPENED = [
	'channel join',
	'channel subscribed',
	'channel subscribing',
	'client connected',
	'client connecting 0',
	'other connected',
	'other connecting 0',
	'raw open'
];

/** How many messages are enough to say that they go on. */
const SOME = 50;

/** What a visitor has begun to write, and must not lose. */
const DRAFT = 'half a sentence';

export class NumberedPage {
	/** How many sockets a page has: the demo's and three for numbers. */
	static SOCKETS = 4;

	/** The page that it is part of. @type {import('./demo-page.js').DemoPage} */
	visitor;
	/** @type {import('playwright-core').JSHandle<import('../numbers/page.js').Numbers>} */
	#numbers;

	/**
	 * @param {import('./demo-page.js').DemoPage} visitor
	 * @param {import('playwright-core').JSHandle<import('../numbers/page.js').Numbers>} numbers
	 */
	constructor(visitor, numbers) {
		this.visitor = visitor;
		this.#numbers = numbers;
	}

	/**
	 * Opens the demo's page, begins to write something there, and has it exchange numbered messages.
	 *
	 * @param {import('./browser.js').Browser} browser
	 * @param {string} url
	 * @param {string} channel
	 */
	static async open(browser, url, channel) {
		const visitor = await (await browser.visitor()).open(url);
		await visitor.listensToVite();
		await visitor.establish();
		await visitor.message.fill(DRAFT);
		const { page } = visitor;
		await page.route(`**/${MOUNT}`, (route) => route.fulfill({ path: PAGE }));
		await page.addScriptTag({ path: SDK });
		/** @type {import('playwright-core').JSHandle<any>} */
		const numbers = await page.evaluateHandle(
			async ({ mount, channel }) => {
				const { Numbers } = await import(`${location.origin}/${mount}`);
				const numbers = new Numbers(Reflect.get(window, 'Centrifuge'), `numbers:${channel}`);
				await numbers.begin();
				return numbers;
			},
			{ mount: MOUNT, channel }
		);
		return new NumberedPage(visitor, numbers);
	}

	/** Waits until more messages have come back. */
	async goesOn() {
		const received = () => this.#numbers.evaluate(({ received }) => received);
		const enough = (await received()) + SOME;
		await until('more messages', async () => (await received()) >= enough);
	}

	/**
	 * Waits until something has happened to its connections that often, and returns everything that has.
	 *
	 * @param {string} event
	 * @param {number} [times]
	 */
	async happens(event, times = 1) {
		const events = () => this.#numbers.evaluate(({ events }) => events);
		const have = async () => (await events()).filter((other) => other === event).length >= times;
		await until(`${event}, ${times} times`, have);
		return events();
	}

	/** Fails if the page is not the one that was opened, with what its visitor has begun to write. */
	async assertStillThere() {
		assert.equal(await this.visitor.message.inputValue(), DRAFT);
		await this.visitor.assertNotReloaded();
	}

	/** Ends the exchange. Fails if any message or connection was lost, or came twice. */
	async assertUndisturbed() {
		await this.assertStillThere();
		const { ledgers, events, faults, ids, posted } = await this.#numbers.evaluate((numbers) =>
			numbers.end()
		);
		assert.deepEqual(faults, []);
		assert.deepEqual(events.toSorted(), OPENED);
		for (const [kind, { lost, duplicated, disordered }] of Object.entries(ledgers)) {
			const unwanted = { lost, duplicated, disordered };
			assert.deepEqual(unwanted, { lost: 0, duplicated: 0, disordered: 0 }, kind);
		}
		assert.equal(ids.length, 1, 'raw messages come back over one connection');
		assert.equal(await this.visitor.count('connection', /./), 1, 'the demo has connected once');
		this.visitor.assertNoErrors();
		return { ledgers, posted: posted.toSorted((one, other) => one - other) };
	}

	close() {
		return this.visitor.close();
	}
}
