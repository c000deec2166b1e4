import type { Message, Page } from '$lib/contract/types';

/** How many messages are held. A page may stay open for days, and its memory must not grow with them. */
export const MAX_MESSAGES = 1_000;

/** How many are held for somebody who reads back, and from whom the oldest would be taken while they read. */
export const MAX_MESSAGES_READING = 2 * MAX_MESSAGES;

/**
 * What is known of the room being looked at: each message once, in the order that the server gave them. It does not
 * matter by how many ways a message comes (history, publication, reply) or in which order.
 */
export class Timeline {
	#room = $state<string | null>(null);
	#messages = $state.raw<readonly Message[]>([]);
	#earlier = $state(false);
	/** From the first message to the one of this id nothing is missing. A reply may be far ahead of that. */
	#complete = 0;
	readonly #readsBack: () => boolean;

	/** `readsBack` says whether the reader is somewhere above the end. */
	constructor(readsBack: () => boolean = () => false) {
		this.#readsBack = readsBack;
	}

	/** Whether the present state of a room has been loaded. What is shown of any other would be a lie. */
	holds(room: string): boolean {
		return this.#room === room;
	}

	get messages(): readonly Message[] {
		return this.#messages;
	}

	/** Whether there is something before the first message here, and room to hold it. */
	get canGrow(): boolean {
		return this.#earlier && this.#messages.length < MAX_MESSAGES;
	}

	/** Whether there is something before the first message here, and no room to hold it. */
	get isFull(): boolean {
		return this.#earlier && !this.canGrow;
	}

	/**
	 * Takes the newest messages of a room. What was here before stays only if it reaches up to them without a gap: between
	 * two pieces that do not meet there may be messages that are in neither.
	 */
	open(room: string, newest: Page): void {
		const first = newest.messages[0];
		const meets = this.#room === room && first !== undefined && first.id <= this.#complete;
		this.#complete = newest.messages.at(-1)?.id ?? 0;
		if (meets) return this.#hold(merge(this.#messages, newest.messages));
		this.#room = room;
		this.#earlier = newest.earlier;
		this.#hold(newest.messages);
	}

	/** Takes what the channel brings, which is every message in turn; false if it was here, or has no place here. */
	addNext(message: Message): boolean {
		if (this.#room === message.room) this.#complete = Math.max(this.#complete, message.id);
		return this.add(message);
	}

	/** Takes one message, whatever there may be before it; false if it was here, or has no place here. */
	add(message: Message): boolean {
		if (this.#room !== message.room || this.#has(message.id)) return false;
		if (this.#isAbove(message.id)) return false;
		this.#hold(merge(this.#messages, [message]));
		return true;
	}

	/** Takes what comes before a message, if that is still the first one here. */
	prepend(first: Message, earlier: Page): void {
		if (this.#messages[0]?.id !== first.id) return;
		this.#earlier = earlier.earlier;
		this.#hold(merge(earlier.messages, this.#messages));
	}

	#has(id: number): boolean {
		return this.#messages.some((message) => message.id === id);
	}

	/**
	 * Whether it is among what has not been loaded, as one is that is sent again after it had arrived long ago. Put before the
	 * first message, it would hide all those between.
	 */
	#isAbove(id: number): boolean {
		const [first] = this.#messages;
		return this.#earlier && first !== undefined && id < first.id;
	}

	/** The oldest are let go: they are still at the server. */
	#hold(messages: readonly Message[]): void {
		const limit = this.#readsBack() ? MAX_MESSAGES_READING : MAX_MESSAGES;
		this.#messages = messages.length > limit ? messages.slice(-MAX_MESSAGES) : messages;
		if (messages.length > limit) this.#earlier = true;
	}
}

function merge(one: readonly Message[], other: readonly Message[]): readonly Message[] {
	const messages = new Map([...one, ...other].map((message) => [message.id, message]));
	return [...messages.values()].sort((a, b) => a.id - b.id);
}
