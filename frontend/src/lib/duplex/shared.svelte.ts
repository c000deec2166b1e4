import type {
	Centrifuge,
	PublicationContext,
	StreamPosition,
	SubscribedContext,
	Subscription
} from 'centrifuge';
import { Backoff } from '../backoff';
import type { Reason } from './call-error';
import type { Regained } from './catch-up';
import { PATIENCE_MS } from './client';
import { Kept } from './kept';
import { memberOf } from './member';
import { Presence } from './presence';
import { isPassing, sdkError } from './reason';
import type { ChannelState, Publication, Refusal } from './types';

/** A component that uses a channel. */
export interface Holder {
	/** Whether it loads a state of its own, and so has what it missed even if the channel cannot give it. */
	readonly loads: boolean;
	/** Whether its load has yet to say how it goes. */
	readonly isLoading: boolean;
	/** Why its load fails. */
	readonly problem: Reason | null;
	/** How many publications it wants kept. */
	readonly keep: number;
	/** Whether it wants to know who is there. */
	readonly presence: boolean;
	/** The channel is subscribed; `intact` if nothing is missing since it last was. */
	subscribed(intact: boolean): void;
	/** Nothing arrives any more, until it is subscribed again. */
	interrupted(): void;
	received(publication: Publication): void;
}

/** What its owner knows, and wants to know. */
export interface SharedOwner {
	/** What page and server must have in common; asked whenever the channel is subscribed. */
	fingerprint: () => string | undefined;
	/** Told when the channel is subscribed again or refused, and its holders have loaded what they load, or cannot. */
	regained: (regained: Regained) => void;
}

/**
 * One subscription of the SDK, for all components of a page that use its channel: what has arrived, who is there, and what
 * the server said. When to begin and when to end it is its owner's to decide.
 */
export class Shared {
	readonly name: string;
	readonly kept = new Kept<Publication>(0);
	#presence = $state.raw<Presence | null>(null);
	#state = $state<ChannelState>('subscribing');
	#refusal = $state.raw<Refusal | null>(null);
	#recovered = $state<boolean | null>(null);
	readonly #client: Centrifuge;
	#subscription: Subscription;
	/** Where the page is in the channel's stream; null where the channel keeps none. */
	#position: StreamPosition | null = null;
	/** When to ask once more who is there. */
	#asking: ReturnType<typeof setTimeout> | undefined;
	readonly #backoff = new Backoff();
	#holders: readonly Holder[] = [];
	/** What the last subscribing brought; null once `regained` has been told. */
	#account: Regained | null = null;
	/** Whether publications that arrive are those of the account. */
	#isRecovering = false;
	readonly #owner: SharedOwner;

	constructor(client: Centrifuge, name: string, presence: boolean, owner: SharedOwner) {
		this.name = name;
		this.#presence = presence ? new Presence() : null;
		this.#client = client;
		this.#owner = owner;
		this.#subscription = this.#subscribe();
	}

	/** Null unless somebody has asked for it. */
	get presence(): Presence | null {
		return this.#presence;
	}

	get state(): ChannelState {
		return this.#state;
	}

	get refusal(): Refusal | null {
		return this.#refusal;
	}

	/** Whether the last subscribing again brought all that was missed; null where the server does not say. */
	get recovered(): boolean | null {
		return this.#recovered;
	}

	get isHeld(): boolean {
		return this.#holders.length > 0;
	}

	add(holder: Holder): void {
		this.#holders = [...this.#holders, holder];
		this.fit();
		if (holder.presence && this.#presence === null) this.#lookAround();
		if (this.#state === 'subscribed') holder.subscribed(false);
	}

	/** Keeps as many publications as the holder wants that wants most. */
	fit(): void {
		this.kept.limit = Math.max(...this.#holders.map(({ keep }) => keep));
	}

	remove(holder: Holder): void {
		this.#holders = this.#holders.filter((other) => other !== holder);
		this.settle();
	}

	/** Passes the account on if everything in it is known; called when a holder's load has ended, well or not. */
	settle(): void {
		if (this.#account === null || this.#isRecovering) return;
		if (this.#holders.some(({ isLoading }) => isLoading)) return;
		const { missed, gap } = this.#account;
		const hasFailed = this.#holders.some(({ problem }) => problem !== null);
		this.#owner.regained({ missed, gap: gap || hasFailed });
		this.#account = null;
	}

	/** Asks again after a refusal. */
	retry(): void {
		if (this.#state === 'unsubscribed') this.#subscription.subscribe();
	}

	/** Publishes when the channel is subscribed, unless `check` throws then. */
	async publish(data: unknown, check: () => void): Promise<void> {
		// The SDK would only say that there is no subscription.
		if (this.#refusal !== null) throw this.#refusal;
		const subscription = this.#subscription;
		try {
			await subscription.ready(PATIENCE_MS);
		} catch (error) {
			if (subscription === this.#subscription) throw error;
			return this.publish(data, check);
		}
		check();
		await subscription.publish(data);
	}

	/** Ends the subscription, and lets the channel have another one. */
	close(): void {
		this.#client.removeSubscription(this.#subscription);
	}

	#subscribe(): Subscription {
		const subscription = this.#client.newSubscription(this.name, {
			// Asked for where the server leaves the choice, as a page rarely wants to miss anything.
			recoverable: true,
			joinLeave: this.#presence !== null,
			since: this.#position,
			getData: () => Promise.resolve(typesOf(this.#owner.fingerprint()))
		});
		subscription
			.on('subscribing', () => this.#subscribing())
			.on('subscribed', (context) => this.#subscribed(context))
			.on('unsubscribed', ({ code, reason }) => this.#unsubscribed({ code, message: reason }))
			.on('publication', (context) => this.#published(context))
			.on('join', ({ info }) => this.#presence?.joined(memberOf(info)))
			.on('leave', ({ info }) => this.#presence?.left(info.client));
		subscription.subscribe();
		return subscription;
	}

	/**
	 * Subscribes anew, from where the page is, as the server tells of joins and leaves only where they were asked for. To ask
	 * always would have it tell every page about every other.
	 */
	#lookAround(): void {
		this.#presence = new Presence();
		this.#subscription.removeAllListeners();
		this.close();
		this.#subscribing();
		this.#subscription = this.#subscribe();
	}

	#subscribed({ wasRecovering, recovered, streamPosition }: SubscribedContext): void {
		this.#state = 'subscribed';
		// What is recovered comes behind this, and moves the position as all publications do.
		this.#position = streamPosition ?? null;
		this.#refusal = null;
		this.#recovered = wasRecovering ? recovered : null;
		const isLoaded = this.#holders.some(({ loads }) => loads);
		const account = { missed: 0, gap: wasRecovering && !recovered && !isLoaded };
		this.#account = account;
		this.#isRecovering = true;
		for (const holder of this.#holders) holder.subscribed(wasRecovering && recovered);
		this.#backoff.reset();
		this.#askWhoIsThere();
		// The SDK delivers what was recovered at once, before any promise is continued.
		queueMicrotask(() => {
			if (this.#account !== account) return;
			this.#isRecovering = false;
			this.settle();
		});
	}

	#published({ data, offset, info }: PublicationContext): void {
		const publication = {
			data: data as unknown,
			offset: offset ?? null,
			info: info === undefined ? null : memberOf(info)
		};
		if (this.#position !== null && offset) this.#position = { ...this.#position, offset };
		if (this.#isRecovering && this.#account) this.#account.missed += 1;
		this.kept.add(publication);
		for (const holder of this.#holders) holder.received(publication);
	}

	#subscribing(): void {
		this.#state = 'subscribing';
		this.#refusal = null;
		this.#interrupt();
	}

	/** By the server, or by `close`. */
	#unsubscribed(refusal: Refusal): void {
		this.#state = 'unsubscribed';
		this.#refusal = refusal;
		this.#interrupt();
		this.#presence?.clear();
		this.#owner.regained({ missed: 0, gap: false });
	}

	#interrupt(): void {
		clearTimeout(this.#asking);
		this.#account = null;
		this.#isRecovering = false;
		for (const holder of this.#holders) holder.interrupted();
	}

	#askWhoIsThere(): void {
		this.#presence
			?.refresh(async () => {
				const { clients } = await this.#subscription.presence();
				return Object.values(clients).map(memberOf);
			})
			.catch((error: unknown) => this.#notTold(error));
	}

	#notTold(error: unknown): void {
		clearTimeout(this.#asking);
		// Once it is subscribed again, it is asked again anyway.
		if (this.#state !== 'subscribed') return;
		if (isPassing(error)) {
			this.#asking = setTimeout(() => this.#askWhoIsThere(), this.#backoff.next());
			return;
		}
		const { code, message } = sdkError(error);
		console.warn(`${this.name}: the server does not say who is there: ${message} (${code})`);
	}
}

/** What is sent along with a subscription. */
function typesOf(fingerprint: string | undefined): { types: string } | null {
	return fingerprint === undefined ? null : { types: fingerprint };
}
