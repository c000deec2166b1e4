import { errorCodes, type Centrifuge, type DisconnectedContext } from 'centrifuge';
import { untrack } from 'svelte';
import { CatchUp, type Regained } from './catch-up';
import { Channels } from './channels';
import { createClient, PATIENCE_MS, type ClientOptions } from './client';
import { UNAUTHORIZED, type SdkError } from './reason';
import type { PageConnection, Status } from './types';

export interface ConnectionOptions extends Pick<ClientOptions, 'WebSocket' | 'network'> {
	/** Where the server's endpoint is; null where there is no server, as while a page is prerendered. */
	url: string | null;
	/** What page and server must have in common about a channel; without it the server takes the page for up to date. */
	fingerprint?: ((channel: string) => string | undefined) | undefined;
}

/**
 * One connection, and the channels that it carries. Coming back after a loss, also from sleep, from the back/forward cache and
 * without a network, is the SDK's work; what the SDK says of that is kept here, in a form to be shown.
 */
export class Connection implements PageConnection {
	readonly channels: Channels;
	#status = $state.raw<Status>({ state: 'idle' });
	#build = $state<string | null>(null);
	#user = $state<string | null>(null);
	/** The same, for calls: undefined when it is not known whose call the next connection would carry. */
	#visitor: string | null | undefined;
	/** Null until something asks for it. */
	#client: Centrifuge | null = null;
	/** The account of the last loss; null before there was one. */
	#catchUp: CatchUp | null = null;
	readonly #options: ConnectionOptions;

	constructor(options: ConnectionOptions) {
		this.#options = options;
		this.channels = new Channels({
			client: () => this.#open(),
			fingerprint: options.fingerprint ?? (() => undefined),
			regained: (name, regained) => this.#settle(name, regained)
		});
	}

	get status(): Status {
		return this.#status;
	}

	get build(): string | null {
		return this.#build;
	}

	get user(): string | null {
		return this.#user;
	}

	reconnect(): void {
		const client = this.#client;
		if (client === null) return;
		// Whoever asks for this wants what comes next to be done by whoever the page is then.
		this.#visitor = undefined;
		// An effect that asks for this does not depend on the state that it changes.
		untrack(() => {
			client.disconnect();
			this.channels.retry();
			client.connect();
		});
	}

	close(): void {
		this.#client?.disconnect();
	}

	/**
	 * Remembers who the page is, and returns what throws if it is somebody else by then: in the end it is the cookie that says
	 * who does a thing, and another page may have changed that while this one was away.
	 */
	asVisitor(): () => void {
		const visitor = this.#visitor;
		return () => {
			if (visitor !== undefined && visitor !== this.#visitor) throw somebodyElse;
		};
	}

	/**
	 * Sends a request and returns the data of its reply.
	 *
	 * @throws {SdkError}
	 */
	async rpc(method: string, data: unknown): Promise<unknown> {
		const check = this.asVisitor();
		// Not in the caller's turn, which may be that of a template or a derived value, where no state may change.
		await Promise.resolve();
		// The SDK would let it wait for the deadline.
		if (this.#options.url === null || this.#status.state === 'closed') throw notConnected;
		const client = this.#open();
		await client.ready(PATIENCE_MS);
		check();
		const reply = await client.rpc(method, data);
		return reply.data as unknown;
	}

	#open(): Centrifuge {
		if (this.#client !== null) return this.#client;
		const { url, WebSocket, network } = this.#options;
		if (url === null) throw new Error('while a page is prerendered there is no server');
		this.#client = createClient({
			url,
			WebSocket,
			network,
			attempting: () => this.#retryAt(null),
			waiting: (delay) => this.#retryAt(Date.now() + delay)
		})
			.on('connecting', () => this.#connecting())
			.on('connected', ({ data }) => this.#connected(data))
			.on('message', ({ data }) => this.#told(data))
			.on('disconnected', (context) => this.#disconnected(context));
		this.#client.connect();
		return this.#client;
	}

	#connecting(): void {
		this.#lost();
		this.#status = this.#catchUp?.isPending
			? { state: 'reconnecting', lostAt: this.#catchUp.lostAt, retryAt: null }
			: { state: 'connecting' };
	}

	#connected(data: unknown): void {
		this.#serves(textIn(data, 'build'));
		this.#user = textIn(data, 'user');
		this.#visitor = this.#user;
		if (this.#catchUp?.isPending) this.#catchUp.regained(Date.now(), this.channels.wanted);
		this.#status = { state: 'connected', recovery: this.#catchUp?.recovery ?? null };
	}

	/** Messages past all channels are the server's own, such as that another one has taken over, with the connection as it was. */
	#told(message: unknown): void {
		const build = textIn(fieldOf(message, 'duplex'), 'build');
		if (build !== null) this.#serves(build);
	}

	#serves(build: string | null): void {
		this.#build = build;
	}

	#disconnected({ code, reason }: DisconnectedContext): void {
		this.#lost();
		this.#status = { state: 'closed', code, reason };
	}

	/** Opens an account of what is missed, unless there is one that is not closed. */
	#lost(): void {
		if (this.#status.state !== 'connected') return;
		if (!this.#catchUp?.isPending) this.#catchUp = new CatchUp(Date.now());
	}

	#retryAt(retryAt: number | null): void {
		if (this.#status.state === 'reconnecting') this.#status = { ...this.#status, retryAt };
	}

	#settle(name: string, regained: Regained): void {
		if (!this.#catchUp?.settle(name, regained) || this.#status.state !== 'connected') return;
		this.#status = { state: 'connected', recovery: this.#catchUp.recovery };
	}
}

const notConnected: SdkError = {
	code: errorCodes.clientDisconnected,
	message: 'there is no connection'
};

const somebodyElse: SdkError = {
	code: UNAUTHORIZED,
	message: 'the page is another user by now'
};

/**
 * The connect reply's data is `{ "build": string | null, "user": string | null }`, and a message of the server's own is
 * `{ "duplex": { "build": string } }`.
 */
function textIn(data: unknown, key: 'build' | 'user'): string | null {
	const value = fieldOf(data, key);
	return typeof value === 'string' ? value : null;
}

function fieldOf(data: unknown, key: string): unknown {
	if (typeof data !== 'object' || data === null) return undefined;
	return (data as Partial<Record<string, unknown>>)[key];
}
