import { channel } from '$lib/duplex';
import type { Chat } from './chat.svelte';
import { Typists, TypingNotice } from './typing.svelte';

/**
 * Typing in the room being looked at: the others are shown to the visitor, and the visitor to the others. Make it while a
 * component is initialised.
 */
export class RoomTyping {
	readonly typists = new Typists();
	readonly notice: TypingNotice;

	constructor(chat: Pick<Chat, 'user'>, room: () => string) {
		const typing = channel(() => `typing:${room()}` as const, {
			// What was typed is of no interest any more.
			keep: 1,
			received: ({ data, info }) => {
				if (info !== null && info.user !== chat.user) this.typists.heard(info.user, data);
			}
		});
		// Whether anybody could be told makes no difference to the visitor.
		this.notice = new TypingNotice((said) => void typing.publish(said).catch(() => undefined));
		$effect(() => {
			void room();
			return () => this.#leave();
		});
	}

	#leave(): void {
		this.notice.forget();
		this.typists.clear();
	}
}
