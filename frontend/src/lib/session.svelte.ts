import { request, RequestFailed } from './http';

const PATH = '/api/session';

/**
 * Who the visitor is to the server. The proof is a cookie that scripts cannot read, so the name is always the one that
 * the server answered with.
 */
export class Session {
	#user = $state<string | null>(null);
	#known = $state(false);
	#busy = $state(false);
	#error = $state<string | null>(null);
	/** The number of the last question. The answer to one before may be out of date. */
	#turn = 0;

	/** The name signed in with; null for an unknown visitor. */
	get user(): string | null {
		return this.#user;
	}

	/** Whether the server has said who this is. Before that, nobody knows whether there is somebody to be signed in. */
	get known(): boolean {
		return this.#known;
	}

	/** Whether the visitor waits for an answer. */
	get busy(): boolean {
		return this.#busy;
	}

	/** Why what the visitor waited for last failed; null if it did not. */
	get error(): string | null {
		return this.#error;
	}

	/**
	 * Asks the server who this is; true if it has said so. Once that is known nobody waits for it, and a failure leaves
	 * everything as it was.
	 */
	load(): Promise<boolean> {
		// Whatever is asked already will be known sooner.
		if (this.#busy) return Promise.resolve(false);
		return this.#ask(async () => userOf(await request('GET', PATH)), !this.#known);
	}

	/** Signs in; true if the server agreed. */
	signIn(name: string): Promise<boolean> {
		return this.#ask(async () => userOf(await request('POST', PATH, { name })));
	}

	/** Signs out; true if the server agreed. */
	signOut(): Promise<boolean> {
		return this.#ask(async () => {
			await request('DELETE', PATH);
			return null;
		});
	}

	async #ask(question: () => Promise<string | null>, isAwaited = true): Promise<boolean> {
		const turn = (this.#turn += 1);
		if (isAwaited) {
			this.#busy = true;
			this.#error = null;
		}
		try {
			const user = await question();
			if (turn !== this.#turn) return false;
			this.#user = user;
			this.#known = true;
			return true;
		} catch (error) {
			if (!(error instanceof RequestFailed)) throw error;
			if (isAwaited && turn === this.#turn) this.#error = error.message;
			return false;
		} finally {
			if (turn === this.#turn) this.#busy = false;
		}
	}
}

function userOf(answer: unknown): string | null {
	if (typeof answer === 'object' && answer !== null && 'user' in answer) {
		if (answer.user === null || typeof answer.user === 'string') return answer.user;
	}
	throw new RequestFailed(
		'the server gave an answer about the session that the page does not understand'
	);
}
