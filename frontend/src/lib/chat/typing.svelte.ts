/** Who is writing: what this page says of its visitor, and what it hears of the others. */
import type { Typing } from '$lib/contract/types';

/** How long "is typing" holds unless it is said again, in milliseconds: a pause, and whatever the network takes. */
export const EXPIRY_MS = 5_000;

/** How often a page says it, at most, in milliseconds. */
export const INTERVAL_MS = 2_000;

/** The others who are writing. Whoever falls silent is taken out, even if their last word was lost. */
export class Typists {
	#typists = $state.raw<readonly { name: string; expiry: ReturnType<typeof setTimeout> }[]>([]);

	/** In the order in which they began. */
	readonly names: readonly string[] = $derived(this.#typists.map(({ name }) => name));

	/** Takes what somebody has said of themselves. */
	heard(name: string, { typing }: Typing): void {
		if (!typing) return this.forget(name);
		const expiry = setTimeout(() => this.forget(name), EXPIRY_MS);
		const known = this.#typists.find((typist) => typist.name === name);
		clearTimeout(known?.expiry);
		this.#typists = known
			? this.#typists.map((typist) => (typist === known ? { name, expiry } : typist))
			: [...this.#typists, { name, expiry }];
	}

	/** Takes somebody out, as their message is there. */
	forget(name: string): void {
		clearTimeout(this.#typists.find((typist) => typist.name === name)?.expiry);
		this.#typists = this.#typists.filter((typist) => typist.name !== name);
	}

	/** Forgets everybody, and leaves no timer behind. */
	clear(): void {
		for (const { expiry } of this.#typists) clearTimeout(expiry);
		this.#typists = [];
	}
}

/** Tells the others that the visitor is writing: soon, not at every key, and that it is over. */
export class TypingNotice {
	readonly #publish: (typing: Typing) => void;
	/** When it was said last, in milliseconds since 1970; null if the others believe that nobody is writing. */
	#saidAt: number | null = null;

	constructor(publish: (typing: Typing) => void) {
		this.#publish = publish;
	}

	/** The text has changed by the visitor's hand. */
	input(text: string): void {
		if (text.trim() === '') return this.stop();
		const now = Date.now();
		if (this.#saidAt !== null && now - this.#saidAt < INTERVAL_MS) return;
		this.#saidAt = now;
		this.#publish({ typing: true });
	}

	/** The text is sent or gone. */
	stop(): void {
		if (this.#saidAt === null) return;
		this.#saidAt = null;
		this.#publish({ typing: false });
	}

	/** The visitor has left those who were told. For them, it expires. */
	forget(): void {
		this.#saidAt = null;
	}
}

/** A piece of a sentence about people. */
export interface TypingPart {
	text: string;
	/** Names may be shortened where there is little room, words may not. */
	isName: boolean;
}

/** "Ada and Bob are typing…"; nothing if nobody is. */
export function typingWords(names: readonly string[]): TypingPart[] {
	const [first, second, third] = names.map((text) => ({ text, isName: true }));
	const words = (text: string) => ({ text, isName: false });
	if (first === undefined) return [];
	if (second === undefined) return [first, words(' is typing…')];
	if (third === undefined) return [first, words(' and '), second, words(' are typing…')];
	if (names.length > 3) return [words('Several people are typing…')];
	return [first, words(', '), second, words(' and '), third, words(' are typing…')];
}
