// @ts-check
/**
 * Numbered messages in both directions, over a raw socket and over the SDK, as many as there is time for. Every one is
 * accounted for. Runs in a page.
 */

/** How often each kind of message is sent. */
const EVERY_MS = 20;

/** One raw message of so many is large. */
const LARGE_EVERY = 10;
const PADDING = 'x'.repeat(30_000);

/** How long what is under way at the end may take to arrive. */
const LAST_MS = 10_000;

/** What was sent and what came back of it, in one kind of messages. */
class Ledger {
	sent = 0;
	duplicated = 0;
	disordered = 0;
	/** The longest time in which nothing came back, in milliseconds. */
	silence = 0;
	/** @type {Set<number>} */
	#owed = new Set();
	#last = 0;
	#heard = performance.now();

	/** How many have not come back. */
	get owed() {
		return this.#owed.size;
	}

	next() {
		this.sent += 1;
		this.#owed.add(this.sent);
		return this.sent;
	}

	/** @param {number} number */
	take(number) {
		const now = performance.now();
		this.silence = Math.max(this.silence, Math.round(now - this.#heard));
		this.#heard = now;
		if (!this.#owed.delete(number)) this.duplicated += 1;
		else if (number < this.#last) this.disordered += 1;
		this.#last = Math.max(this.#last, number);
	}

	report() {
		const { sent, owed: lost, duplicated, disordered, silence } = this;
		return { sent, lost, duplicated, disordered, silence };
	}
}

export class Numbers {
	#ledgers = {
		raw: new Ledger(),
		published: new Ledger(),
		publications: new Ledger(),
		called: new Ledger(),
		slow: new Ledger(),
		messages: new Ledger()
	};
	/** What has happened to the connections, in order. @type {string[]} */
	events = [];
	/** The numbers that HTTP requests have had published, in the order in which they came. @type {number[]} */
	posted = [];
	/** The ids that raw messages came back with. @type {Set<string>} */
	#ids = new Set();
	/** What is not as it should be. @type {string[]} */
	#faults = [];
	#offset = 0;
	/** @type {ReturnType<typeof setInterval>[]} */
	#timers = [];
	#isOver = false;
	#raw;
	#client;
	#other;

	/**
	 * @param {any} Centrifuge The SDK, which the types of a page do not know.
	 * @param {string} channel
	 */
	constructor(Centrifuge, channel) {
		const origin = location.origin.replace(/^http/, 'ws');
		this.#raw = this.#openRaw(`${origin}/websocket`);
		this.#client = this.#connect(new Centrifuge(`${origin}/connection/websocket`), 'client');
		this.#other = this.#connect(new Centrifuge(`${origin}/connection/websocket`), 'other');
		this.subscription = this.#subscribe(channel);
	}

	/** Waits until everything is open, and begins. */
	async begin() {
		await Promise.all([this.subscription.ready(), this.#other.ready()]);
		if (this.#raw.readyState !== WebSocket.OPEN) {
			await new Promise((resolve) => this.#raw.addEventListener('open', resolve));
		}
		this.#repeat(() => this.#sendRaw());
		this.#repeat(() => this.#publish());
		this.#repeat(() => this.#call(this.#client, 'numbers.echo', this.#ledgers.called));
		this.#repeat(() => this.#client.send({ number: this.#ledgers.messages.next() }));
		void this.#callSlowly();
	}

	/** Stops sending, waits for what is under way, and gives account. */
	async end() {
		this.#isOver = true;
		for (const timer of this.#timers) clearInterval(timer);
		const deadline = performance.now() + LAST_MS;
		const ledgers = Object.values(this.#ledgers);
		while (ledgers.some(({ owed }) => owed > 0) && performance.now() < deadline) {
			await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
		}
		return {
			ledgers: Object.fromEntries(
				Object.entries(this.#ledgers).map(([kind, ledger]) => [kind, ledger.report()])
			),
			events: this.events,
			faults: this.#faults,
			ids: [...this.#ids],
			posted: this.posted
		};
	}

	/** How much has come back. */
	get received() {
		return Object.values(this.#ledgers).reduce((sum, { sent, owed }) => sum + sent - owed, 0);
	}

	/** @param {() => void} send */
	#repeat(send) {
		this.#timers.push(setInterval(send, EVERY_MS));
	}

	/** @param {string} url */
	#openRaw(url) {
		const socket = new WebSocket(url);
		socket.addEventListener('open', () => this.events.push('raw open'));
		socket.addEventListener('close', ({ code }) => this.events.push(`raw close ${code}`));
		socket.addEventListener('message', ({ data }) => {
			const [, number, id] = /^(\d+) x* \((\S+)\)$/.exec(data) ?? [];
			if (number === undefined || id === undefined) return;
			this.#ids.add(id);
			this.#ledgers.raw.take(Number(number));
		});
		return socket;
	}

	#sendRaw() {
		// That it has been closed is an event.
		if (this.#raw.readyState !== WebSocket.OPEN) return;
		const number = this.#ledgers.raw.next();
		this.#raw.send(`${number} ${number % LARGE_EVERY === 0 ? PADDING : ''}`);
	}

	/**
	 * @param {any} client
	 * @param {string} name
	 */
	#connect(client, name) {
		for (const event of ['connected', 'connecting', 'disconnected']) {
			client.on(event, (/** @type {{ code?: number }} */ { code }) => {
				this.events.push([name, event, code].filter((part) => part !== undefined).join(' '));
			});
		}
		client.on('error', (/** @type {any} */ { error }) => {
			this.#faults.push(`${name}: ${error.code} ${error.message}`);
		});
		client.on('message', (/** @type {{ data: unknown }} */ { data }) => {
			const number = /^\{"number":(\d+)\} \(/.exec(String(data))?.[1];
			if (number !== undefined) this.#ledgers.messages.take(Number(number));
		});
		client.connect();
		return client;
	}

	/** @param {string} channel */
	#subscribe(channel) {
		const subscription = this.#client.newSubscription(channel);
		for (const event of ['subscribing', 'unsubscribed', 'join', 'leave']) {
			subscription.on(event, () => this.events.push(`channel ${event}`));
		}
		subscription.on('subscribed', (/** @type {any} */ { recovered, streamPosition }) => {
			this.events.push(recovered ? 'channel recovered' : 'channel subscribed');
			if (!recovered) this.#offset = streamPosition.offset;
		});
		subscription.on('publication', (/** @type {any} */ { data, offset }) => {
			if (offset !== this.#offset + 1) this.#faults.push(`offset ${offset} behind ${this.#offset}`);
			this.#offset = offset;
			if (data.posted !== undefined) this.posted.push(data.posted);
			else this.#ledgers.publications.take(data.number);
		});
		subscription.subscribe();
		return subscription;
	}

	#publish() {
		const number = this.#ledgers.published.next();
		this.#ledgers.publications.next();
		this.subscription.publish({ number }).then(
			() => this.#ledgers.published.take(number),
			(/** @type {any} */ error) => this.#failed(`publication ${number}`, error)
		);
	}

	/**
	 * @param {any} client
	 * @param {string} method
	 * @param {Ledger} ledger
	 */
	async #call(client, method, ledger) {
		const number = ledger.next();
		try {
			const { data } = await client.rpc(method, { number });
			ledger.take(data.number);
		} catch (error) {
			this.#failed(`${method} ${number}`, error);
		}
	}

	/** One call after the other: most of the time one is being carried out. */
	async #callSlowly() {
		while (!this.#isOver) await this.#call(this.#other, 'numbers.slow', this.#ledgers.slow);
	}

	/**
	 * @param {string} what
	 * @param {any} error
	 */
	#failed(what, error) {
		this.#faults.push(`${what}: ${error.code} ${error.message}`);
	}
}
