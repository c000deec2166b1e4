/** How many rows are held on to: the first one may be a day that begins earlier now, and so be another row. */
const ANCHORS = 3;

/**
 * Keeps a list of messages where its reader is while rows come and go above and below: at the end, or at the row that is
 * at the top of what is seen.
 */
export class ScrollKeeper {
	readonly #list: HTMLElement;
	/**
	 * The first rows in sight, and where they ended: at its top, a row may gain or lose its author's name. Empty once they
	 * have been used: the reader goes on, and must not be brought back to where they were.
	 */
	#anchors: { row: Element; bottom: number }[] = [];
	/** The measures of the list when it was last put into place, or scrolled. */
	#measures = '';

	/** `list` is what scrolls; it must leave the anchoring to us (`overflow-anchor: none`). */
	constructor(list: HTMLElement) {
		this.#list = list;
	}

	/**
	 * Whether the list has been scrolled by its reader, who has not changed its measures. When those change, browsers scroll
	 * as well.
	 */
	scrolledByReader(): boolean {
		const before = this.#measures;
		this.#measure();
		return this.#measures === before;
	}

	/** How far it is to the end, in pixels. */
	get distance(): number {
		const { scrollHeight, scrollTop, clientHeight } = this.#list;
		return scrollHeight - scrollTop - clientHeight;
	}

	/** The rows are about to change. */
	before(): void {
		const top = this.#list.getBoundingClientRect().top;
		this.#anchors = [];
		for (const row of this.#list.querySelectorAll('li')) {
			const { bottom } = row.getBoundingClientRect();
			if (bottom > top) this.#anchors.push({ row, bottom });
			if (this.#anchors.length === ANCHORS) return;
		}
	}

	/** The rows have changed, and whoever reads them wants to stay where they are. */
	stay(): void {
		const anchor = this.#anchors.find(({ row }) => row.isConnected);
		this.#anchors = [];
		if (anchor === undefined) return;
		this.#list.scrollTop += anchor.row.getBoundingClientRect().bottom - anchor.bottom;
		this.#measure();
	}

	/** Goes to the newest row. */
	toEnd(): void {
		this.#anchors = [];
		this.#list.scrollTop = this.#list.scrollHeight;
		this.#measure();
	}

	#measure(): void {
		const { scrollHeight, clientHeight } = this.#list;
		this.#measures = `${scrollHeight} ${clientHeight}`;
	}
}
