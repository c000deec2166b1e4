import { version } from '$app/environment';
import { updated } from '$app/state';

/** What SvelteKit knows of new versions of the page. */
export interface VersionCheck {
	/** The build that this page is from. */
	readonly version: string;
	/** Whether a check has found that another one is there to be loaded. */
	readonly current: boolean;
	check(): Promise<boolean>;
}

/** Whether the page should be loaded again, and whether the visitor wants to hear of it now. */
export class Updates {
	readonly #page: VersionCheck;
	/** A call has failed because the server has moved on. */
	#demanded = $state(false);
	#postponed = $state(false);
	/** The build that the server said last that it serves. */
	#served: string | null = null;

	constructor(page: VersionCheck) {
		this.#page = page;
	}

	/** Whether the visitor is to be asked. */
	get offered(): boolean {
		return (this.#page.current || this.#demanded) && !this.#postponed;
	}

	/** The server has said which build it serves; null if it does not know any. */
	served(build: string | null): void {
		if (build === null || build === this.#served) return;
		this.#served = build;
		// Whoever did not want the last one is asked again about the next.
		this.#postponed = false;
		if (build !== this.#page.version) void this.#page.check();
	}

	/** The page cannot go on as it is. Whoever has been told is not told again at the next thing that does not work. */
	demand(): void {
		if (this.#demanded) return;
		this.#demanded = true;
		this.#postponed = false;
		void this.#page.check();
	}

	/** The visitor does not want to be asked now. */
	postpone(): void {
		this.#postponed = true;
	}
}

/** The updates of this page. */
export const updates = new Updates({
	version,
	get current() {
		return updated.current;
	},
	check: () => updated.check()
});
