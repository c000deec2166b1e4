// @ts-check
/**
 * A page that exchanges numbered messages with its server all the time, and what has to be added to the application for
 * that.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

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

export class NumberedPage {
	/** The page that it is part of. @type {import('./demo-page.js').DemoPage} */
	visitor;
	/** The channel in which it numbers its publications. @type {string} */
	channel;
	/** @type {import('playwright-core').JSHandle<import('../numbers/page.js').Numbers>} */
	#numbers;

	/**
	 * @param {import('./demo-page.js').DemoPage} visitor
	 * @param {string} channel
	 * @param {import('playwright-core').JSHandle<import('../numbers/page.js').Numbers>} numbers
	 */
	constructor(visitor, channel, numbers) {
		this.visitor = visitor;
		this.channel = channel;
		this.#numbers = numbers;
	}

	/**
	 * Has an open page exchange numbered messages.
	 *
	 * @param {import('./demo-page.js').DemoPage} visitor
	 * @param {string} channel
	 */
	static async begin(visitor, channel) {
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
		return new NumberedPage(visitor, channel, numbers);
	}

	/** What has happened to its connections so far. */
	events() {
		return this.#numbers.evaluate(({ events }) => events);
	}

	/** How many messages have come back so far. */
	received() {
		return this.#numbers.evaluate(({ received }) => received);
	}

	/** Has it stop, and give account. */
	end() {
		return this.#numbers.evaluate((numbers) => numbers.end());
	}
}
