import { Backoff } from '$lib/backoff';
import { connection } from '$lib/duplex';
import { Session } from '$lib/session.svelte';
import { updates } from '$lib/updates.svelte';
import { createContext } from 'svelte';
import { Drafts } from './drafts.svelte';
import { Outbox } from './outbox.svelte';
import { Rooms } from './rooms.svelte';
import { tabStorage } from './storage';

/** What all rooms share: who the visitor is, which rooms there are, and what has been written and not been sent. */
export class Chat {
	readonly session = new Session();
	readonly rooms = new Rooms();
	readonly drafts = new Drafts(tabStorage());
	readonly outbox = new Outbox(tabStorage());
	readonly #backoff: Backoff;
	#user = $state<string | null>(null);

	constructor(backoff = new Backoff()) {
		this.#backoff = backoff;
	}

	/** Who is in the rooms; null while nobody is signed in. */
	get user(): string | null {
		return this.#user;
	}

	/** Whether there is a connection, and whose it is: the visitor's, or somebody else's. */
	get connected(): 'not' | 'as-visitor' | 'as-another' {
		if (connection.status.state !== 'connected') return 'not';
		return connection.user === this.#user ? 'as-visitor' : 'as-another';
	}

	/** Asks the server who the visitor is: another tab may have signed in or out. */
	async identify(): Promise<void> {
		if (await this.session.load()) this.#enter();
	}

	/**
	 * Asks again and again who the visitor is, while the connection is somebody else's: the server may not answer, or not
	 * take the visitor's cookie for a connection. Returns the function that ends it; call it whenever `connected` changes.
	 */
	keepIdentified(): (() => void) | undefined {
		if (this.connected === 'as-visitor') this.#backoff.reset();
		if (this.connected !== 'as-another') return undefined;
		let timer: ReturnType<typeof setTimeout>;
		let isWanted = true;
		const attempt = () => {
			timer = setTimeout(() => {
				void this.identify().then(() => {
					if (isWanted && this.connected === 'as-another') attempt();
				});
			}, this.#backoff.next());
		};
		attempt();
		return () => {
			isWanted = false;
			clearTimeout(timer);
		};
	}

	async signIn(name: string): Promise<void> {
		if (await this.session.signIn(name)) this.#enter();
	}

	async signOut(): Promise<void> {
		if (await this.session.signOut()) this.#enter();
	}

	/** Does what a failure calls for beside words, whatever it is that has failed. */
	failed({ type }: { type: string }): void {
		if (type === 'changed') updates.demand();
	}

	/**
	 * The visitor is who the session says. A connection of anybody else is renewed first, as the server knows a visitor by the
	 * cookies of the handshake.
	 */
	#enter(): void {
		const { user } = this.session;
		const { state } = connection.status;
		const isTheirs = state === 'connected' ? connection.user === user : user === this.#user;
		if (!isTheirs && state !== 'idle') connection.reconnect();
		this.#user = user;
	}
}

export const [getChat, setChat] = createContext<Chat>();
