import type { Message, Page } from '$lib/contract/types';

/** How many messages are held. A page may stay open for days, and its memory must not grow with them. */
export const MAX_MESSAGES = 1_000;

/**
 * What is known of the room being looked at: each message once, in the order that the server gave them. It does not
 * matter by how many ways a message comes (history, publication, reply) or in which order.
 */
export class Timeline {
	#room = $state<string | null>(null);
	#messages = $state.raw<readonly Message[]>([]);
	#earlier = $state(false);

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
	 * Takes the newest messages of a room. What was here before stays only if it reaches up to them: between two pieces
	 * that do not meet there may be messages that are in neither.
	 */
	open(room: string, newest: Page): void {
		const last = this.#messages.at(-1);
		const first = newest.messages[0];
		if (this.#room === room && last && first && first.id <= last.id) {
			this.#hold(merge(this.#messages, newest.messages));
			return;
		}
		this.#room = room;
		this.#earlier = newest.earlier;
		this.#hold(merge([], newest.messages));
	}

	/** Takes one message; false if it was here, or belongs elsewhere. */
	add(message: Message): boolean {
		if (this.#room !== message.room || this.#has(message.id)) return false;
		this.#hold(merge(this.#messages, [message]));
		return true;
	}

	/** Takes what comes before the first message. */
	prepend(room: string, earlier: Page): void {
		if (this.#room !== room) return;
		this.#earlier = earlier.earlier;
		this.#hold(merge(earlier.messages, this.#messages));
	}

	#has(id: number): boolean {
		return this.#messages.some((message) => message.id === id);
	}

	/** The oldest are let go: they are still at the server. */
	#hold(messages: readonly Message[]): void {
		if (messages.length > MAX_MESSAGES) this.#earlier = true;
		this.#messages = messages.slice(-MAX_MESSAGES);
	}
}

function merge(one: readonly Message[], other: readonly Message[]): readonly Message[] {
	const messages = new Map([...one, ...other].map((message) => [message.id, message]));
	return [...messages.values()].sort((a, b) => a.id - b.id);
}
