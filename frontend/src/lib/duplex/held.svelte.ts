import { errorCodes } from 'centrifuge';
import { untrack } from 'svelte';
import { Backoff } from '../backoff';
import { translated } from './asking';
import type { Channel, ChannelOptions } from './channel.svelte';
import type { Connection } from './connection.svelte';
import { Kept } from './kept';
import { Loading } from './loading.svelte';
import type { SdkError } from './reason';
import { report } from './report';
import type { Holder, Shared } from './shared.svelte';
import type { ChannelState, Member, Publication, Refusal } from './types';

/** How many publications are kept unless said otherwise: a page may stay open for days. */
const KEEP = 500;

/** One component's part in a channel: what all components see of it, and the state that this one loads. */
export class Held<Data, Info> implements Channel<Data, Info>, Holder {
	/** Null before the component is mounted, and after. */
	#shared = $state.raw<Shared | null>(null);
	/** Null if nothing is loaded. */
	readonly #loading: Loading | null;
	/** Those behind the loaded state. */
	readonly #own: Kept<Publication>;
	readonly #name: () => string;
	readonly #users = $derived.by(() => distinct(this.members));
	readonly #keep: number;
	readonly #options: ChannelOptions<Data, Info>;
	readonly #connection: Connection;

	constructor(
		connection: Connection,
		name: string | (() => string),
		options: ChannelOptions<Data, Info>
	) {
		this.#connection = connection;
		this.#name = typeof name === 'function' ? name : () => name;
		this.#options = options;
		this.#keep = options.keep ?? KEEP;
		this.#own = new Kept(this.#keep);
		this.#loading = options.load ? this.#loadingWith(options.load) : null;
	}

	get name(): string {
		return this.#name();
	}

	get publications(): readonly Publication<Data, Info>[] {
		const kept = this.#loading === null ? this.#shared?.kept : this.#own;
		return (kept?.values ?? []) as readonly Publication<Data, Info>[];
	}

	get members(): readonly Member<Info>[] {
		return (this.#shared?.presence?.members ?? []) as readonly Member<Info>[];
	}

	get users(): readonly string[] {
		return this.#users;
	}

	get state(): ChannelState {
		const state = this.#shared?.state ?? 'subscribing';
		return state === 'subscribed' && !this.ready ? 'subscribing' : state;
	}

	get refusal(): Refusal | null {
		return this.#shared?.refusal ?? null;
	}

	get recovered(): boolean | null {
		return this.#shared?.recovered ?? null;
	}

	publish(data: Data): Promise<void> {
		// An effect that publishes does not depend on the channel.
		return untrack(() => {
			const shared = this.#shared;
			return translated(shared?.name ?? this.name, data, async () => {
				if (shared === null) throw notMounted;
				await shared.publish(data);
			});
		});
	}

	/** Takes part in the channel of that name, until the function is called that this returns. */
	enter(name: string): () => void {
		const { presence = false } = this.#options;
		const shared = this.#connection.channels.join(name, this, { keep: this.#keep, presence });
		this.#shared = shared;
		return () => {
			this.#shared = null;
			this.#loading?.stop();
			this.#own.clear();
			this.#connection.channels.leave(shared, this);
		};
	}

	get loads(): boolean {
		return this.#loading !== null;
	}

	get ready(): boolean {
		return this.#loading?.isComplete ?? true;
	}

	subscribed(intact: boolean): void {
		if (this.#loading === null || (intact && this.#loading.isComplete)) return;
		this.#own.clear();
		this.#loading.start();
	}

	interrupted(): void {
		if (!this.ready) this.#loading?.stop();
	}

	received(publication: Publication): void {
		if (this.#loading === null) this.#tell(publication);
		else this.#loading.receive(publication);
	}

	#loadingWith(load: NonNullable<ChannelOptions['load']>): Loading {
		return new Loading({
			load,
			deliver: (publication) => {
				this.#own.add(publication);
				this.#tell(publication);
			},
			loaded: () => this.#shared?.settle(),
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
