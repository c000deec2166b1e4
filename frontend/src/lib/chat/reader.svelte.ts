/** How far from the end, in pixels, the list still counts as scrolled to the end. */
const TOLERANCE_PX = 48;

/** Where the reader is in the list of messages: at its end, and so to be taken along, or back at something older. */
export class Reader {
	#following = $state(true);
	#unseen = $state(0);

	/** Whether new messages are to be scrolled to. */
	get following(): boolean {
		return this.#following;
	}

	/** How many messages have come that the reader cannot have seen. */
	get unseen(): number {
		return this.#unseen;
	}

	/** The list has been scrolled, and so far is its end. */
	scrolled(distance: number): void {
		this.#following = distance < TOLERANCE_PX;
		if (this.#following) this.#unseen = 0;
	}

	/** Somebody else's message has come; `watched` says whether the page is being looked at. */
	arrived(watched: boolean): void {
		if (!this.#following || !watched) this.#unseen += 1;
	}

	/** The page is being looked at again. */
	returned(): void {
		if (this.#following) this.#unseen = 0;
	}

	/** The reader wants to be at the end, or is in another room. */
	follow(): void {
		this.#following = true;
		this.#unseen = 0;
	}
}
