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

	/** The name signed in with; null for an unknown visitor. */
	get user(): string | null {
		return this.#user;
	}

	/** Whether the server has said who this is. Before that, nobody knows whether there is somebody to be signed in. */
	get known(): boolean {
		return this.#known;
	}

	/** Whether an answer is being waited for. */
	get busy(): boolean {
		return this.#busy;
	}

	/** Why the last request failed; null if it did not. */
	get error(): string | null {
		return this.#error;
	}

	/** Asks the server who this is. */
	load(): Promise<boolean> {
		return this.#perform(async () => userOf(await request('GET', PATH)));
	}

	/** Signs in; true if the server agreed. */
	signIn(name: string): Promise<boolean> {
		return this.#perform(async () => userOf(await request('POST', PATH, { name })));
	}

	/** Signs out; true if the server agreed. */
	signOut(): Promise<boolean> {
		return this.#perform(async () => {
			await request('DELETE', PATH);
			return null;
		});
	}

	async #perform(ask: () => Promise<string | null>): Promise<boolean> {
		this.#busy = true;
		this.#error = null;
		try {
			this.#user = await ask();
			this.#known = true;
			return true;
		} catch (error) {
			if (!(error instanceof RequestFailed)) throw error;
			this.#error = error.message;
			return false;
		} finally {
			this.#busy = false;
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
