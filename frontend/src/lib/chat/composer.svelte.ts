import type { Message, SendMessage } from '$lib/contract/types';
import { call, CallError, type Reason } from '$lib/duplex';
import type { Chat } from './chat.svelte';
import { newNonce } from './nonce';
import { goesBack, type Unsent } from './outbox.svelte';
import type { TypingNotice } from './typing.svelte';
import { sendProblem } from './words';

export interface ComposerOptions {
	chat: Pick<Chat, 'user' | 'drafts' | 'outbox' | 'failed'>;
	/** Which room is written to. */
	room: () => string;
	notice: Pick<TypingNotice, 'input' | 'stop'>;
	/** The visitor has sent something, and will want to see it. */
	began: () => void;
	/** The server has it. */
	arrived: (message: Message) => void;
	/** What to send with, where it is not the page's connection. */
	deliver?: (params: SendMessage) => Promise<Message>;
}

/**
 * What the visitor writes, and what becomes of it. A message counts as sent at once; when the server refuses, that is
 * taken back, with the reason.
 */
export class Composer {
	readonly #options: ComposerOptions;
	readonly #deliver: (params: SendMessage) => Promise<Message>;
	#alert = $state<string | null>(null);

	constructor(options: ComposerOptions) {
		this.#options = options;
		this.#deliver = options.deliver ?? ((params) => call('chat.send', params));
	}

	/** What has been written and not been sent. */
	get draft(): string {
		return this.#options.chat.drafts.of(this.#options.room());
	}

	/** Why the latest message was not sent, in words for people; null if it was. */
	get alert(): string | null {
		return this.#alert;
	}

	/** The visitor has changed the draft. */
	write(text: string): void {
		this.#options.chat.drafts.set(this.#options.room(), text);
		this.#options.notice.input(text);
	}

	/** Sends the draft. */
	send(): void {
		const { chat, notice, room } = this.#options;
		const text = this.draft.trim();
		if (text === '' || chat.user === null) return;
		chat.drafts.set(room(), '');
		notice.stop();
		void this.#post({
			room: room(),
			author: chat.user,
			text,
			nonce: newNonce(),
			written: Date.now()
		});
	}

	/** Sends again what could not be sent. */
	retry(unsent: Unsent): void {
		void this.#post(unsent);
	}

	/** Gives up what could not be sent. */
	discard({ nonce }: Unsent): void {
		this.#options.chat.outbox.discard(nonce);
		this.dismissAlert();
	}

	dismissAlert(): void {
		this.#alert = null;
	}

	async #post(unsent: Unsent): Promise<void> {
		const { room, text, nonce } = unsent;
		this.#options.began();
		try {
			await this.#options.chat.outbox.send(unsent, async () => {
				this.#options.arrived(await this.#deliver({ room, text, nonce }));
			});
			if (room === this.#options.room()) this.#alert = null;
		} catch (error) {
			if (!CallError.is('chat.send', error)) throw error;
			this.#takeBack(unsent, error.reason);
		}
	}

	#takeBack(unsent: Unsent, reason: Reason<'chat.send'>): void {
		const { chat, room } = this.#options;
		if (goesBack(reason, chat.drafts.of(unsent.room))) chat.drafts.set(unsent.room, unsent.text);
		else chat.outbox.keep(unsent);
		if (unsent.room === room()) this.#alert = sendProblem(reason);
		chat.failed(reason);
	}
}
