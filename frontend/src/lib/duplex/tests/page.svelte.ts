/** A page as tests need it: a connection of its own, components that come and go, and waiting for what they see. */
import { flushSync } from 'svelte';
import { afterEach, onTestFinished } from 'vitest';
import { TestWebSocket } from '../../testing';
import { ask } from '../asking';
import { hold, type Channel, type ChannelOptions } from '../channel.svelte';
import { Connection } from '../connection.svelte';
import type { Line } from './server';

/** What a room's publications are. */
export interface Said {
	text: string;
}

/** What is seen of whoever is in a room. */
export interface Look {
	color: string;
}

type Room = Channel<Said, Look>;

let pages: readonly TestPage[] = [];

afterEach(() => {
	for (const page of pages) page.close();
});

export class TestPage {
	readonly connection: Connection;
	/** Says `offline` and `online`. */
	readonly network = new EventTarget();
	/** Every message that the page has sent. */
	readonly sent: string[] = [];
	/** Which messages never arrive, though the page sends them. */
	isLost: (message: string) => boolean = () => false;
	/** How many sockets it has made. */
	attempts = $state(0);
	#unmounts: readonly (() => void)[] = [];

	constructor(
		line: Line,
		/** Who it is at the next handshake. */
		public user = 'ada',
		fingerprint?: (channel: string) => string | undefined
	) {
		const { network, sent } = this;
		const address = () => line.url(this.user);
		const isLost = (message: string) => this.isLost(message);
		const attempt = () => (this.attempts += 1);
		const WebSocket = class extends TestWebSocket {
			constructor() {
				super(address());
				attempt();
			}

			override send(data: string): void {
				sent.push(data);
				if (!isLost(data)) super.send(data);
			}
		};
		this.connection = new Connection({ url: line.url(user), WebSocket, network, fingerprint });
		pages = [...pages, this];
	}

	/** Mounts a component that does `initialize`. */
	mount<T>(initialize: () => T): { component: T; unmount: () => void } {
		const mounted = flushSync(() => {
			let component: T | undefined;
			const destroy = $effect.root(() => void (component = initialize()));
			return { component: component as T, destroy };
		});
		const unmount = () => {
			this.#unmounts = this.#unmounts.filter((other) => other !== unmount);
			flushSync(mounted.destroy);
		};
		this.#unmounts = [...this.#unmounts, unmount];
		return { component: mounted.component, unmount };
	}

	/** Mounts a component that does nothing but use a channel. */
	channel(
		name: string | (() => string),
		options: ChannelOptions<Said, Look> = {}
	): Room & { unmount: () => void } {
		const { component, unmount } = this.mount(() => hold(this.connection, name, options));
		return Object.assign(component, { unmount });
	}

	ask(name: string, params: unknown = null, fingerprint?: string): Promise<unknown> {
		return ask(this.connection, { name, fingerprint, params });
	}

	/** Has the server publish to a channel. */
	async say(channel: string, ...texts: string[]): Promise<void> {
		for (const text of texts) await this.ask('test.publish', { channel, text });
	}

	/** How many commands of a kind are sent from here on. */
	commands(kind: 'subscribe' | 'unsubscribe'): () => number {
		const before = this.sent.length;
		const isOne = (message: string) => message.includes(`"${kind}":{`);
		return () => this.sent.slice(before).join('\n').split('\n').filter(isOne).length;
	}

	/** Waits until nobody is in a room but these users, and this page's, which looks in. */
	async finds(channel: string, ...users: string[]): Promise<void> {
		const room = this.channel(channel, { presence: true });
		const expected = [...users, this.user].sort().join();
		await until(() => room.state === 'subscribed' && room.users.toSorted().join() === expected);
		room.unmount();
	}

	close(): void {
		pages = pages.filter((page) => page !== this);
		for (const unmount of this.#unmounts) unmount();
		this.connection.close();
	}
}

/** A channel's name that may change. */
export class SwitchedName {
	current = $state('');

	constructor(name: string) {
		this.current = name;
	}
}

/** Waits until a condition holds, looking whenever the state changes that it depends on. */
export function until(condition: () => boolean): Promise<void> {
	return new Promise((resolve) => {
		const stop = $effect.root(() => {
			$effect(() => {
				if (!condition()) return;
				queueMicrotask(() => {
					stop();
					resolve();
				});
			});
		});
	});
}

/** Runs `act`, and again whenever state changes that it depends on, until the test ends. */
export function effect(act: () => void): void {
	const run = () => {
		$effect(act);
	};
	onTestFinished(flushSync(() => $effect.root(run)));
}

/** Every value that `read` has, as far as an effect sees them; grows until the test ends. */
export function seen<T>(read: () => T): T[] {
	const values: T[] = [];
	const value = $derived(read());
	effect(() => void values.push(value));
	return values;
}

export function texts({ publications }: Room): string[] {
	return publications.map(({ data }) => data.text);
}
