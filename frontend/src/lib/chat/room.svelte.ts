import type { Message, OpenedRoom } from '$lib/contract/types';
import { call, CallError, channel, failureOf, type Channel, type Reason } from '$lib/duplex';
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

/**
 * The room being looked at, with all that goes on in it. It moves from room to room with its name, so that the page
 * stays where it is. Make it while a component is initialised: it ends with that.
 */
export class Room {
	readonly reader = new Reader();
	readonly timeline = new Timeline(() => !this.reader.following);
	readonly news = new News();
	readonly composer: Composer;
	readonly #chat: Chat;
	readonly #name: () => string;
	readonly #messages: Channel<Message, null>;
	readonly #typing: RoomTyping;
	/** Why earlier messages were not loaded. */
	#problem = $state<string | null>(null);
	/** The room whose earlier messages are being loaded, as far as anybody still waits for them. */
	#loadingEarlier = $state<string | null>(null);

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
			load: () => this.#load(),
			loaded: (opened) => this.#opened(opened),
			received: ({ data }) => this.#received(data)
		});
		this.#typing = new RoomTyping(chat, name);
		this.composer = new Composer({
			chat,
			room: name,
			notice: this.#typing.notice,
			began: () => this.reader.follow(),
			arrived: (message) => this.#heard(message, this.timeline.add(message))
		});
		$effect(() => {
			void name();
			return () => this.#leave();
		});
		$effect(() => {
			const reason = this.#failure;
			if (reason !== null) untrack(() => chat.failed(reason));
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
		return this.#failure === null ? this.#problem : loadProblem(this.#failure);
	}

	get loadingEarlier(): boolean {
		return this.#loadingEarlier === this.name;
	}

	/** Loads the messages before the first one that is here. */
	async loadEarlier(): Promise<void> {
		const { name: room } = this;
		const [first] = this.timeline.messages;
		if (first === undefined || this.loadingEarlier) return;
		this.#loadingEarlier = room;
		try {
			this.timeline.prepend(first, await call('chat.earlier', { room, before: first.id }));
			if (room === this.name) this.#problem = null;
		} catch (error) {
			if (!CallError.is('chat.earlier', error)) throw error;
			if (room === this.name) this.#problem = loadProblem(error.reason);
			this.#chat.failed(error.reason);
		} finally {
			if (this.#loadingEarlier === room) this.#loadingEarlier = null;
		}
	}

	/** Why the room cannot be entered, or not be loaded; null if it can. */
	get #failure(): Reason<'chat.open'> | null {
		const { refusal, problem } = this.#messages;
		// It is loaded by no other call.
		return refusal === null ? (problem as Reason<'chat.open'> | null) : failureOf(refusal);
	}

	/** With the name, as the visitor may be in the next room already when the answer comes. */
	async #load(): Promise<OpenedRoom & { room: string }> {
		const { name: room } = this;
		return { room, ...(await call('chat.open', { room })) };
	}

	#opened({ room, messages, earlier }: OpenedRoom & { room: string }): void {
		this.timeline.open(room, { messages, earlier });
		for (const message of messages) this.#arrived(message);
	}

	#received(message: Message): void {
		this.#arrived(message);
		this.#typing.typists.forget(message.author);
		if (!this.#heard(message, this.timeline.addNext(message))) return;
		if (!message.outside && message.author === this.#chat.user) return;
		this.reader.arrived(document.visibilityState === 'visible');
		this.news.add(message);
	}

	/** Passes on what is new here. */
	#heard(message: Message, isNew: boolean): boolean {
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

	/** What is not sent yet is shown at once, whatever has been loaded. */
	#rows(): readonly Row[] {
		const { user, outbox } = this.#chat;
		if (user === null) return [];
		return rows({
			user,
			messages: this.loaded ? this.timeline.messages : [],
			sending: outbox.sending(this.name, user),
			failed: outbox.failed(this.name, user)
		});
	}
}
