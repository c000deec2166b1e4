import type { Centrifuge, PublicationContext, SubscribedContext, Subscription } from 'centrifuge';
import type { Regained } from './catch-up';
import { Kept } from './kept';
import { memberOf } from './member';
import { Presence } from './presence';
import { isUnreachable, sdkError } from './reason';
import type { ChannelState, Publication, Refusal } from './types';

/** A component that uses a channel. */
export interface Holder {
	/** Whether it loads a state of its own, and so has what it missed even if the channel cannot give it. */
	readonly loads: boolean;
	/** False while it loads. */
	readonly ready: boolean;
	/** The channel is subscribed; `intact` if nothing is missing since it last was. */
	subscribed(intact: boolean): void;
	/** Nothing arrives any more, until it is subscribed again. */
	interrupted(): void;
	received(publication: Publication): void;
}

/** What the first holder decides for all. */
export interface SharedOptions {
	keep: number;
	presence: boolean;
}

/** What its owner knows, and wants to know. */
export interface SharedOwner {
	/** What page and server must have in common; asked whenever the channel is subscribed. */
	fingerprint: () => string | undefined;
	/** Told when the channel is subscribed again or refused, and its holders have loaded what they load. */
	regained: (regained: Regained) => void;
}

/**
 * One subscription of the SDK, for all components of a page that use its channel: what has arrived, who is there, and what
 * the server said. When to begin and when to end it is its owner's to decide.
 */
export class Shared {
	readonly name: string;
	readonly kept: Kept<Publication>;
	/** Null unless it was asked for. */
	readonly presence: Presence | null;
	#state = $state<ChannelState>('subscribing');
	#refusal = $state.raw<Refusal | null>(null);
	#recovered = $state<boolean | null>(null);
	readonly #client: Centrifuge;
	readonly #subscription: Subscription;
	#holders: readonly Holder[] = [];
	/** What the last subscribing brought; null once `regained` has been told. */
	#account: Regained | null = null;
	/** Whether publications that arrive are those of the account. */
	#isRecovering = false;
	readonly #owner: SharedOwner;

	constructor(
		client: Centrifuge,
		name: string,
		{ keep, presence }: SharedOptions,
		owner: SharedOwner
	) {
		this.name = name;
		this.kept = new Kept(keep);
		this.presence = presence ? new Presence() : null;
		this.#client = client;
		this.#owner = owner;
		this.#subscription = client.newSubscription(name, {
			// Asked for where the server leaves the choice, as a page rarely wants to miss anything.
			recoverable: true,
			joinLeave: presence,
			getData: () => Promise.resolve(typesOf(owner.fingerprint()))
		});
		this.#subscription
			.on('subscribing', () => this.#subscribing())
			.on('subscribed', (context) => this.#subscribed(context))
			.on('unsubscribed', ({ code, reason }) => this.#unsubscribed({ code, message: reason }))
			.on('publication', (context) => this.#published(context))
			.on('join', ({ info }) => this.presence?.joined(memberOf(info)))
			.on('leave', ({ info }) => this.presence?.left(info.client));
		this.#subscription.subscribe();
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

	/** Whether it gives all that the options ask for. */
	gives({ presence }: SharedOptions): boolean {
		return !presence || this.presence !== null;
	}

	add(holder: Holder, { keep }: SharedOptions): void {
		if (!this.isHeld) this.kept.limit = keep;
		this.#holders = [...this.#holders, holder];
		if (this.#state === 'subscribed') holder.subscribed(false);
	}

	remove(holder: Holder): void {
		this.#holders = this.#holders.filter((other) => other !== holder);
		this.settle();
	}

	/** Passes the account on if everything in it is known; called when a holder has become ready. */
	settle(): void {
		if (this.#account === null || this.#isRecovering) return;
		if (this.#holders.some(({ ready }) => !ready)) return;
		this.#owner.regained(this.#account);
		this.#account = null;
	}

	/** Asks again after a refusal. */
	retry(): void {
		if (this.#state === 'unsubscribed') this.#subscription.subscribe();
	}

	async publish(data: unknown): Promise<void> {
		// The SDK would only say that there is no subscription.
		if (this.#refusal !== null) throw this.#refusal;
		await this.#subscription.publish(data);
	}

	/** Ends the subscription, and lets the channel have another one. */
	close(): void {
		this.#client.removeSubscription(this.#subscription);
	}

	#subscribed({ wasRecovering, recovered }: SubscribedContext): void {
		this.#state = 'subscribed';
		this.#refusal = null;
		this.#recovered = wasRecovering ? recovered : null;
		const isLoaded = this.#holders.some(({ loads }) => loads);
		const account = { missed: 0, gap: wasRecovering && !recovered && !isLoaded };
		this.#account = account;
		this.#isRecovering = true;
		for (const holder of this.#holders) holder.subscribed(wasRecovering && recovered);
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
		this.presence?.clear();
		this.#owner.regained({ missed: 0, gap: false });
	}

	#interrupt(): void {
		this.#account = null;
		this.#isRecovering = false;
		for (const holder of this.#holders) holder.interrupted();
	}

	#askWhoIsThere(): void {
		this.presence
			?.refresh(async () => {
				const { clients } = await this.#subscription.presence();
				return Object.values(clients).map(memberOf);
			})
			.catch((error: unknown) => {
				const { code, message } = sdkError(error);
				// Asked again when the channel is subscribed again.
				if (isUnreachable({ code, message })) return;
				console.warn(`${this.name}: the server does not say who is there: ${message} (${code})`);
			});
	}
}

/** What is sent along with a subscription. */
function typesOf(fingerprint: string | undefined): { types: string } | null {
	return fingerprint === undefined ? null : { types: fingerprint };
}
