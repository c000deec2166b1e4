import { untrack } from 'svelte';
import type { Reason } from './call-error';
import type { Connection } from './connection.svelte';
import { Held } from './held.svelte';
import { page } from './page';
import type {
	ChannelName,
	ChannelState,
	InfoOf,
	Loadable,
	Member,
	Publication,
	PublicationOf,
	Refusal
} from './types';

export interface ChannelOptions<Data = unknown, Info = unknown, State extends Loadable = Loadable> {
	/** How many publications are kept, 500 unless said otherwise. */
	keep?: number;
	/** Whether `members` and `users` are wanted. */
	presence?: boolean;
	/** Told about each publication, in order. */
	received?: (publication: Publication<Data, Info>) => void;
	/**
	 * Asks the server for the channel's present state. Called at first, and whenever what was missed cannot be had one by one;
	 * after a failure that may pass it is called again. `signal` is aborted when the answer is no longer wanted.
	 */
	load?: (signal: AbortSignal) => Promise<State>;
	/** Takes what was loaded, if it is still wanted, before the publications that came meanwhile. */
	loaded?: (state: State) => void;
}

/** A channel as a component sees it. */
export interface Channel<Data = unknown, Info = unknown> {
	readonly name: string;
	/** What has been published, newest last; with `options.load`, what is not in the state that it loaded. */
	readonly publications: readonly Publication<Data, Info>[];
	/** Who is there, each connection by itself; empty unless `options.presence`. */
	readonly members: readonly Member<Info>[];
	/** The users among the members who are signed in, each once. */
	readonly users: readonly string[];
	/** `subscribed` when publications arrive and, with `options.load`, the state is loaded. */
	readonly state: ChannelState;
	/** Why the server said no; null if it did not. */
	readonly refusal: Refusal | null;
	/** Why the last load failed; null if it did not. */
	readonly problem: Reason | null;
	/** Whether the last resubscription brought all that was missed; null where it was not tried. */
	readonly recovered: boolean | null;
	/** @throws {CallError} if the server did not take it. */
	publish(data: Data): Promise<void>;
}

/**
 * The channel of that name, for as long as the component lives that is being initialised. Components that name the same
 * channel share one subscription. A name that is a function may depend on state: when it changes, so does the channel.
 */
export function channel<Name extends ChannelName, State extends Loadable = Loadable>(
	name: Name | (() => Name),
	options: ChannelOptions<PublicationOf<Name>, InfoOf<Name>, State> = {}
): Channel<PublicationOf<Name>, InfoOf<Name>> {
	return hold(page, name, options);
}

/** The same, of any connection, and without a contract. */
export function hold<Data, Info, State extends Loadable>(
	connection: Connection,
	name: string | (() => string),
	options: ChannelOptions<Data, Info, State>
): Channel<Data, Info> {
	const held = new Held<Data, Info, State>(connection, name, options);
	const current = $derived(held.name);
	// Effects do not run while a page is prerendered, so nothing is asked for there.
	$effect(() => {
		const name = current;
		return untrack(() => held.enter(name));
	});
	return held;
}
