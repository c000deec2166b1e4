import { Backoff } from '../backoff';
import { CallError, type Reason } from './call-error';
import { sdkError } from './reason';
import { report } from './report';
import type { Loadable, Position, Publication } from './types';

/** How many publications are held back during a load. With more than that meanwhile, a later state is the better one. */
const MOST_HELD = 1_000;

/** Reasons that another attempt would meet again: it takes another connection, or another page. */
const LASTING: readonly string[] = ['changed', 'denied', 'malformed', 'signed_out'];

export interface LoadingOptions<State extends Loadable> {
	/** Asks for the channel's present state. */
	load: (signal: AbortSignal) => Promise<State>;
	/** Applies the state that was loaded. */
	apply: (state: State) => void;
	/** Takes each publication that is not in the loaded state, in order. */
	deliver: (publication: Publication) => void;
	/** An attempt has ended, well or not. */
	ended: () => void;
	backoff: Backoff;
}

/**
 * What stands between a component that loads a channel's state and the channel's publications. Those that arrive during the
 * load are held back, and those that the state already has are left out.
 *
 * The SDK's `getState` does that for a subscription, before it subscribes. But a state belongs to a component: another one
 * may join a subscription that stands, and needs a state of its own then. So all of them load after the subscription stands,
 * which misses nothing either: whatever the state lacks was published later, and arrives.
 */
export class Loading<State extends Loadable> {
	#complete = $state(false);
	#problem = $state.raw<Reason | null>(null);
	#position: Position | null = null;
	#held: Publication[] = [];
	/** Ends the attempts under way; null if there are none. */
	#attempts: AbortController | null = null;
	/** Whether an attempt has failed since the start. */
	#hasFailed = false;
	#timer: ReturnType<typeof setTimeout> | undefined;
	/** Whether somebody has been told of a failure since the start. */
	#isTold = false;
	readonly #options: LoadingOptions<State>;

	constructor(options: LoadingOptions<State>) {
		this.#options = options;
	}

	/** Whether the state is loaded, and up to date as long as publications arrive. */
	get isComplete(): boolean {
		return this.#complete;
	}

	/** Whether nothing can be said yet of how the load goes: no attempt has ended. */
	get isPending(): boolean {
		return !this.#complete && !this.#hasFailed;
	}

	/** Why the last attempt failed; null if it did not. */
	get problem(): Reason | null {
		return this.#problem;
	}

	/** Loads anew, until it succeeds, fails for good or is stopped. The channel must be subscribed. */
	start(): void {
		this.stop();
		this.#complete = false;
		this.#position = null;
		this.#hasFailed = false;
		this.#isTold = false;
		this.#options.backoff.reset();
		this.#attempts = new AbortController();
		void this.#attempt(this.#attempts.signal);
	}

	/** Gives up what is under way. */
	stop(): void {
		clearTimeout(this.#timer);
		this.#attempts?.abort();
		this.#attempts = null;
		this.#held = [];
	}

	/** Forgets what was loaded too: it is that of another channel from here on. */
	reset(): void {
		this.stop();
		this.#complete = false;
		this.#problem = null;
	}

	receive(publication: Publication): void {
		if (this.#position !== null) {
			if (isBehind(publication, this.#position)) this.#options.deliver(publication);
		} else if (this.#held.length <= MOST_HELD) {
			this.#held.push(publication);
		}
	}

	async #attempt(signal: AbortSignal): Promise<void> {
		// What came before the question is in the answer.
		this.#held = [];
		try {
			const state = await this.#options.load(signal);
			if (!signal.aborted) this.#take(state, signal);
		} catch (error) {
			if (!signal.aborted) this.#failed(error, signal);
		}
	}

	#take(state: State, signal: AbortSignal): void {
		if (this.#held.length > MOST_HELD) throw new Overrun();
		this.#options.apply(state);
		this.#position = state.position;
		for (const publication of this.#held.splice(0)) this.receive(publication);
		// Whoever was told of all that may have left the channel, or asked for another connection.
		if (signal.aborted) return;
		this.#attempts = null;
		this.#problem = null;
		this.#complete = true;
		this.#options.ended();
	}

	#failed(error: unknown, signal: AbortSignal): void {
		const reason = reasonOf(error);
		this.#tell(error, reason);
		this.#problem = reason;
		this.#hasFailed = true;
		if (!LASTING.includes(reason.type)) {
			const again = () => void this.#attempt(signal);
			this.#timer = setTimeout(again, this.#options.backoff.next());
		}
		this.#options.ended();
	}

	/** Once in a row, and not for want of a connection, which mends by itself. */
	#tell(error: unknown, { type }: Reason): void {
		if (type === 'unreachable' || this.#isTold) return;
		this.#isTold = true;
		// A refusal is for the component to show; anything else is a mistake of its author's.
		if (error instanceof CallError || error instanceof Overrun) console.warn(error.message);
		else report(error);
	}
}

/** More was published during a load than is held back, so what is behind the state is not all here. */
class Overrun extends Error {
	constructor() {
		super(`more than ${MOST_HELD} publications came during a load`);
	}
}

function reasonOf(error: unknown): Reason {
	if (error instanceof CallError) return error.reason;
	return { type: 'failed', code: 0, message: sdkError(error).message };
}

/** Whether it was published after that position. One without a place in the stream may have been, and counts as if. */
function isBehind({ offset }: Publication, position: Position): boolean {
	return offset === null || offset > position.offset;
}
