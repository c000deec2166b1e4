import type { Message, SendMessage } from '$lib/contract/types';
import { call, CallError, newNonce, type Reason } from '$lib/duplex';
import type { Chat } from './chat.svelte';
import type { Desk } from './drafts.svelte';
import { goesBack, type Unsent } from './outbox.svelte';
import { isTooLong, MAX_CHARACTERS } from './text';
import type { TypingNotice } from './typing.svelte';
import { sendProblem } from './words';

export interface ComposerOptions {
	chat: Pick<Chat, 'user' | 'connected' | 'drafts' | 'outbox' | 'failed'>;
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
		const desk = this.#desk;
		return desk === null ? '' : this.#options.chat.drafts.of(desk);
	}

	/** Why the latest message was not sent, in words for people; null if it was. */
	get alert(): string | null {
		return this.#alert;
	}

	/** The visitor has changed the draft. */
	write(text: string): void {
		const desk = this.#desk;
		if (desk === null) return;
		this.#options.chat.drafts.set(desk, text);
		this.#options.notice.input(text);
	}

	/** Sends the draft. */
	send(): void {
		const desk = this.#desk;
		const text = this.draft.trim();
		if (desk === null || text === '') return;
		if (isTooLong(text)) {
			// Of what is far too long the server would not even read that it is a message.
			this.#alert = sendProblem({ type: 'too_long', limit: MAX_CHARACTERS });
			return;
		}
		this.#options.chat.drafts.set(desk, '');
		this.#options.notice.stop();
		void this.#post({ ...desk, text, nonce: newNonce(), written: Date.now() });
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

	/** Null if nobody is signed in. */
	get #desk(): Desk | null {
		const { chat, room } = this.#options;
		return chat.user === null ? null : { room: room(), author: chat.user };
	}

	#isHere({ room, author }: Desk): boolean {
		return room === this.#desk?.room && author === this.#desk.author;
	}

	async #post(unsent: Unsent): Promise<void> {
		const { room, text, nonce } = unsent;
		this.#options.began();
		try {
			await this.#options.chat.outbox.send(unsent, async () => {
				this.#checkAuthor();
				this.#options.arrived(await this.#deliver({ room, text, nonce }));
			});
			if (this.#isHere(unsent)) this.#alert = null;
		} catch (error) {
			if (!CallError.is('chat.send', error)) throw error;
			this.#takeBack(unsent, error.reason);
		}
	}

	/** What is said over somebody else's connection is said by them, whatever this page shows until it has noticed. */
	#checkAuthor(): void {
		if (this.#options.chat.connected !== 'as-another') return;
		throw new CallError<'chat.send'>('chat.send', { type: 'signed_out' }, 'another user');
	}

	#takeBack(unsent: Unsent, reason: Reason<'chat.send'>): void {
		const { chat } = this.#options;
		if (goesBack(reason, chat.drafts.of(unsent))) chat.drafts.set(unsent, unsent.text);
		else chat.outbox.keep(unsent);
		if (this.#isHere(unsent)) this.#alert = sendProblem(reason);
		chat.failed(reason);
	}
}
