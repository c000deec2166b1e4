import { errorCodes } from 'centrifuge';
import { untrack } from 'svelte';
import { Backoff } from '../backoff';
import { translated } from './asking';
import type { Reason } from './call-error';
import type { Channel, ChannelOptions } from './channel.svelte';
import type { Connection } from './connection.svelte';
import { Kept } from './kept';
import { Loading } from './loading.svelte';
import type { SdkError } from './reason';
import { report } from './report';
import type { Holder, Shared } from './shared.svelte';
import type { ChannelState, Loadable, Member, Publication, Refusal } from './types';

/** How many publications are kept unless said otherwise: a page may stay open for days. */
const KEEP = 500;

/** One component's part in a channel: what all components see of it, and the state that this one loads. */
export class Held<Data, Info, State extends Loadable> implements Channel<Data, Info>, Holder {
	readonly keep: number;
	readonly presence: boolean;
	/** Null before the component is mounted, and after. */
	#shared = $state.raw<Shared | null>(null);
	/** Null if nothing is loaded. */
	readonly #loading: Loading<State> | null;
	/** Those behind the loaded state. */
	readonly #own: Kept<Publication>;
	readonly #name: () => string;
	readonly #users = $derived.by(() => distinct(this.members));
	readonly #options: ChannelOptions<Data, Info, State>;
	readonly #connection: Connection;

	constructor(
		connection: Connection,
		name: string | (() => string),
		options: ChannelOptions<Data, Info, State>
	) {
		this.#connection = connection;
		this.#name = typeof name === 'function' ? name : () => name;
		this.#options = options;
		this.keep = options.keep ?? KEEP;
		this.presence = options.presence ?? false;
		this.#own = new Kept(this.keep);
		this.#loading = options.load ? this.#loadingWith(options.load) : null;
	}

	get name(): string {
		return this.#name();
	}

	get publications(): readonly Publication<Data, Info>[] {
		const { values = [] } = (this.#loading === null ? this.#shared?.kept : this.#own) ?? {};
		// Others may want more of them.
		const newest = values.length > this.keep ? values.slice(values.length - this.keep) : values;
		return newest as readonly Publication<Data, Info>[];
	}

	get members(): readonly Member<Info>[] {
		const presence = this.presence ? this.#shared?.presence : null;
		return (presence?.members ?? []) as readonly Member<Info>[];
	}

	get users(): readonly string[] {
		return this.#users;
	}

	get state(): ChannelState {
		const state = this.#shared?.state ?? 'subscribing';
		return state === 'subscribed' && !this.#isComplete ? 'subscribing' : state;
	}

	get refusal(): Refusal | null {
		return this.#shared?.refusal ?? null;
	}

	get problem(): Reason | null {
		return this.#loading?.problem ?? null;
	}

	get recovered(): boolean | null {
		return this.#shared?.recovered ?? null;
	}

	publish(data: Data): Promise<void> {
		// An effect that publishes does not depend on the channel.
		return untrack(() => {
			const shared = this.#shared;
			const check = this.#connection.asVisitor();
			return translated(shared?.name ?? this.name, data, async () => {
				if (shared === null) throw notMounted;
				await shared.publish(data, check);
			});
		});
	}

	/** Takes part in the channel of that name, until the function is called that this returns. */
	enter(name: string): () => void {
		const shared = this.#connection.channels.join(name, this);
		this.#shared = shared;
		return () => {
			this.#shared = null;
			this.#loading?.reset();
			this.#own.clear();
			this.#connection.channels.leave(shared, this);
		};
	}

	get loads(): boolean {
		return this.#loading !== null;
	}

	get isLoading(): boolean {
		return this.#loading?.isPending ?? false;
	}

	subscribed(intact: boolean): void {
		if (this.#loading === null || (intact && this.#loading.isComplete)) return;
		this.#own.clear();
		this.#loading.start();
	}

	interrupted(): void {
		if (!this.#isComplete) this.#loading?.stop();
	}

	received(publication: Publication): void {
		if (this.#loading === null) this.#tell(publication);
		else this.#loading.receive(publication);
	}

	get #isComplete(): boolean {
		return this.#loading?.isComplete ?? true;
	}

	#loadingWith(load: (signal: AbortSignal) => Promise<State>): Loading<State> {
		return new Loading({
			load,
			apply: (state) => this.#options.loaded?.(state),
			deliver: (publication) => {
				this.#own.add(publication);
				this.#tell(publication);
			},
			ended: () => this.#shared?.settle(),
			backoff: new Backoff()
		});
	}

	#tell(publication: Publication): void {
		try {
			this.#options.received?.(publication as Publication<Data, Info>);
		} catch (error) {
			report(error);
		}
	}
}

const notMounted: SdkError = {
	code: errorCodes.subscriptionUnsubscribed,
	message: 'the component is not mounted'
};

function distinct(members: readonly Member[]): readonly string[] {
	return [...new Set(members.map(({ user }) => user).filter((user) => user !== ''))];
}
