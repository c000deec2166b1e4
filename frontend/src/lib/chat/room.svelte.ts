import type { Message } from '$lib/contract/types';
import { call, CallError, channel, type Channel, type Position } from '$lib/duplex';
import { untrack } from 'svelte';
import type { Chat } from './chat.svelte';
import { Composer } from './composer.svelte';
import { News } from './news.svelte';
import { people, type Person } from './people';
import { Reader } from './reader.svelte';
import { RoomTyping } from './room-typing.svelte';
import { rows, type Row } from './rows';
import { Timeline } from './timeline.svelte';
import { loadProblem } from './words';

/** How many publications the channel keeps of its own. Nobody looks at them, since the timeline has all messages. */
const KEEP = 1;

/** The protocol's code for whoever has to sign in first. */
const UNAUTHORIZED = 101;
/** The code for a page that was built for other messages than the server's. */
const CHANGED = 409;

/**
 * The room being looked at, with all that goes on in it. It moves from room to room with its name, so that the page
 * stays where it is. Make it while a component is initialised: it ends with that.
 */
export class Room {
	readonly timeline = new Timeline();
	readonly reader = new Reader();
	readonly news = new News();
	readonly composer: Composer;
	readonly #chat: Chat;
	readonly #name: () => string;
	readonly #messages: Channel<Message, null>;
	readonly #typing: RoomTyping;
	#problem = $state<string | null>(null);
	#loadingEarlier = $state(false);

	readonly rows: readonly Row[] = $derived.by(() => this.#rows());
	readonly people: readonly Person[] = $derived.by(() =>
		people(this.#messages.members, this.#chat.user ?? '')
	);

	constructor(chat: Chat, name: () => string) {
		this.#chat = chat;
		this.#name = name;
		this.#messages = channel(() => `chat:${name()}` as const, {
			keep: KEEP,
			presence: true,
			load: (signal) => this.#load(signal),
			received: ({ data }) => this.#received(data)
		});
		this.#typing = new RoomTyping(chat, name);
		this.composer = new Composer({
			chat,
			room: name,
			notice: this.#typing.notice,
			began: () => this.reader.follow(),
			arrived: (message) => this.#add(message)
		});
		$effect(() => {
			void name();
			return () => this.#leave();
		});
		$effect(() => {
			const code = this.#messages.refusal?.code;
			if (code === UNAUTHORIZED) untrack(() => void chat.identify());
			if (code === CHANGED) untrack(() => chat.failed({ type: 'changed' }));
		});
	}

	get name(): string {
		return this.#name();
	}

	/** Whether the room's messages are here. */
	get loaded(): boolean {
		return this.timeline.holds(this.name);
	}

	/** Who else is writing. */
	get typists(): readonly string[] {
		return this.#typing.typists.names;
	}

	/** Why messages cannot be shown, in words for people; null if they can, or will be in a moment. */
	get problem(): string | null {
		const { refusal } = this.#messages;
		if (refusal?.code === CHANGED) return loadProblem({ type: 'changed' });
		if (refusal !== null && refusal.code !== UNAUTHORIZED) return refusal.message;
		return this.#problem;
	}

	get loadingEarlier(): boolean {
		return this.#loadingEarlier;
	}

	/** Loads the messages before the first one that is here. */
	async loadEarlier(): Promise<void> {
		const { name: room } = this;
		const [first] = this.timeline.messages;
		if (first === undefined || this.#loadingEarlier) return;
		this.#loadingEarlier = true;
		try {
			this.timeline.prepend(room, await call('chat.earlier', { room, before: first.id }));
			this.#problem = null;
		} catch (error) {
			if (!CallError.is('chat.earlier', error)) throw error;
			this.#problem = loadProblem(error.reason);
			this.#chat.failed(error.reason);
		} finally {
			this.#loadingEarlier = false;
		}
	}

	async #load(signal: AbortSignal): Promise<Position> {
		const { name: room } = this;
		try {
			const { messages, earlier, position } = await call('chat.open', { room });
			if (!signal.aborted) {
				this.timeline.open(room, { messages, earlier });
				for (const message of messages) this.#arrived(message);
				this.#problem = null;
			}
			return position;
		} catch (error) {
			if (CallError.is('chat.open', error) && !signal.aborted) {
				this.#problem = loadProblem(error.reason);
				this.#chat.failed(error.reason);
			}
			throw error;
		}
	}

	#received(message: Message): void {
		this.#arrived(message);
		this.#typing.typists.forget(message.author);
		if (!this.#add(message)) return;
		if (!message.outside && message.author === this.#chat.user) return;
		this.reader.arrived(document.visibilityState === 'visible');
		this.news.add(message);
	}

	/** False if it was here. */
	#add(message: Message): boolean {
		const isNew = this.timeline.add(message);
		if (isNew) this.#chat.rooms.heard(message);
		return isNew;
	}

	/** The server has it: should it be here as one that could not be sent, then it could. */
	#arrived({ nonce }: Message): void {
		if (nonce !== null && this.#chat.outbox.discard(nonce)) this.composer.dismissAlert();
	}

	#leave(): void {
		this.news.clear();
		this.reader.follow();
		this.composer.dismissAlert();
		this.#problem = null;
	}

	#rows(): readonly Row[] {
		const { user, outbox } = this.#chat;
		if (user === null || !this.loaded) return [];
		return rows({
			user,
			messages: this.timeline.messages,
			sending: outbox.sending(this.name, user),
			failed: outbox.failed(this.name, user)
		});
	}
}
