import { Backoff } from '../backoff';
import { CallError } from './call-error';
import { report } from './report';
import type { Position, Publication } from './types';

export interface LoadingOptions {
	/** Applies the channel's present state and returns the position it was read at. */
	load: (signal: AbortSignal) => Promise<Position>;
	/** Takes each publication that is not in the loaded state, in order. */
	deliver: (publication: Publication) => void;
	/** The state is loaded, and what came meanwhile is delivered. */
	loaded: () => void;
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
export class Loading {
	#complete = $state(false);
	#position: Position | null = null;
	#held: Publication[] = [];
	/** Ends the attempts under way; null if there are none. */
	#attempts: AbortController | null = null;
	#timer: ReturnType<typeof setTimeout> | undefined;
	/** Whether somebody has been told of a failure since the start. */
	#isTold = false;
	readonly #options: LoadingOptions;

	constructor(options: LoadingOptions) {
		this.#options = options;
	}

	/** Whether the state is loaded, and up to date as long as publications arrive. */
	get isComplete(): boolean {
		return this.#complete;
	}

	/** Loads anew, until it succeeds or is stopped. The channel must be subscribed. */
	start(): void {
		this.stop();
		this.#complete = false;
		this.#position = null;
		this.#held = [];
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
	}

	receive(publication: Publication): void {
		if (this.#position === null) this.#held.push(publication);
		else if (isBehind(publication, this.#position)) this.#options.deliver(publication);
	}

	async #attempt(signal: AbortSignal): Promise<void> {
		let position: Position;
		try {
			position = await this.#options.load(signal);
		} catch (error) {
			if (!signal.aborted) this.#failed(error, signal);
			return;
		}
		if (!signal.aborted) this.#finish(position);
	}

	#failed(error: unknown, signal: AbortSignal): void {
		this.#tell(error);
		const again = () => void this.#attempt(signal);
		this.#timer = setTimeout(again, this.#options.backoff.next());
	}

	/** Once in a row, and not for want of a connection, which mends by itself. */
	#tell(error: unknown): void {
		const isPassing = error instanceof CallError && error.reason.type === 'unreachable';
		if (isPassing || this.#isTold) return;
		this.#isTold = true;
		// A refusal is for the component to show; anything else is a mistake of its author's.
		if (error instanceof CallError) console.warn(error.message);
		else report(error);
	}

	#finish(position: Position): void {
		const held = this.#held;
		this.#held = [];
		this.#attempts = null;
		this.#position = position;
		for (const publication of held) this.receive(publication);
		this.#complete = true;
		this.#options.loaded();
	}
}

/** Whether it was published after that position. One without a place in the stream may have been, and counts as if. */
function isBehind({ offset }: Publication, position: Position): boolean {
	return offset === null || offset > position.offset;
}
