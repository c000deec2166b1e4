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
	#user = $state<string | null>(null);

	/** Who is in the rooms; null while nobody is signed in. */
	get user(): string | null {
		return this.#user;
	}

	/** Asks the server who the visitor is: another tab may have signed in or out. */
	async identify(): Promise<void> {
		await this.session.load();
		this.#enter();
	}

	async signIn(name: string): Promise<void> {
		await this.session.signIn(name);
		this.#enter();
	}

	async signOut(): Promise<void> {
		await this.session.signOut();
		this.#enter();
	}

	/** Does what a failure calls for beside words, whatever it is that has failed. */
	failed({ type }: { type: string }): void {
		if (type === 'changed') updates.demand();
		if (type === 'signed_out') void this.identify();
	}

	/** The connection is renewed first, as the server knows a visitor by the cookies of the handshake. */
	#enter(): void {
		const { user } = this.session;
		if (user === this.#user) return;
		if (connection.status.state !== 'idle') connection.reconnect();
		this.#user = user;
	}
}

export const [getChat, setChat] = createContext<Chat>();
