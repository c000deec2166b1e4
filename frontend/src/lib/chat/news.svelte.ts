import type { Message } from '$lib/contract/types';

/** How many are there to be read out: a screen reader that is told everything after a long absence helps nobody. */
const MAX_ITEMS = 5;

export interface NewsItem {
	id: number;
	text: string;
}

/** What a screen reader reads out as it comes: what others have just said, and nothing that was there already. */
export class News {
	#items = $state.raw<readonly NewsItem[]>([]);

	get items(): readonly NewsItem[] {
		return this.#items;
	}

	add({ id, author, outside, text }: Message): void {
		const source = outside ? `${author}, via HTTP` : author;
		this.#items = [...this.#items.slice(1 - MAX_ITEMS), { id, text: `${source}: ${text}` }];
	}

	clear(): void {
		this.#items = [];
	}
}
