import type { Centrifuge } from 'centrifuge';
import type { Regained } from './catch-up';
import { Shared, type Holder } from './shared.svelte';

export interface ChannelsOptions {
	client: () => Centrifuge;
	/** What page and server must have in common about a channel. */
	fingerprint: (name: string) => string | undefined;
	/** Told what each channel got when it was subscribed again. */
	regained: (name: string, regained: Regained) => void;
}

/** The channels of a connection: one subscription for each name, for as long as somebody holds it. */
export class Channels {
	readonly #byName = new Map<string, Shared>();
	readonly #options: ChannelsOptions;

	constructor(options: ChannelsOptions) {
		this.#options = options;
	}

	/** Has a part in a channel, with those who have one already. */
	join(name: string, holder: Holder): Shared {
		const channel = this.#standing(name) ?? this.#subscribe(name, holder);
		channel.add(holder);
		return channel;
	}

	leave(channel: Shared, holder: Holder): void {
		channel.remove(holder);
		// A component that takes the place of another comes in the same tick, and is to find the subscription standing.
		queueMicrotask(() => {
			if (channel.isHeld) channel.fit();
			else this.#unsubscribe(channel);
		});
	}

	/** Asks again for those that were refused. */
	retry(): void {
		for (const channel of this.#byName.values()) channel.retry();
	}

	/** The names of those that are subscribed, or about to be. */
	get wanted(): string[] {
		const channels = [...this.#byName.values()];
		return channels.filter(({ state }) => state !== 'unsubscribed').map(({ name }) => name);
	}

	#standing(name: string): Shared | null {
		const channel = this.#byName.get(name);
		if (channel === undefined) return null;
		if (channel.isHeld || channel.state !== 'unsubscribed') return channel;
		// Nobody is left of those who heard the refusal.
		this.#unsubscribe(channel);
		return null;
	}

	#subscribe(name: string, { presence }: Holder): Shared {
		const { client, fingerprint, regained } = this.#options;
		const channel = new Shared(client(), name, presence, {
			fingerprint: () => fingerprint(name),
			regained: (account) => regained(name, account)
		});
		this.#byName.set(name, channel);
		return channel;
	}

	#unsubscribe(channel: Shared): void {
		if (this.#byName.get(channel.name) !== channel) return;
		this.#byName.delete(channel.name);
		channel.close();
	}
}
