/** What the tests of the socket share: a real server, the constructor that Node lacks, and a record of what happened. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket as NodeWebSocket, WebSocketServer } from 'ws';
import { Backoff } from './backoff';
import { RawSocket, type RawSocketOptions } from './raw-socket.svelte';

/** The constructor to inject. Like a browser's socket, it survives an error that nobody listens to. */
export const TestWebSocket = class extends NodeWebSocket {
	constructor(url: string) {
		super(url);
		this.on('error', () => undefined);
	}
} as unknown as new (url: string) => WebSocket;

/** Hands out values in the order in which they came, to readers that may be early or late. */
export class Recording<T> {
	readonly #values: T[] = [];
	readonly #readers: ((value: T) => void)[] = [];

	add = (value: T): void => {
		const reader = this.#readers.shift();
		if (reader) reader(value);
		else this.#values.push(value);
	};

	next(): Promise<T> {
		if (this.#values.length > 0) return Promise.resolve(this.#values.shift() as T);
		return new Promise((resolve) => this.#readers.push(resolve));
	}

	/** How many values nobody has read. */
	get unread(): number {
		return this.#values.length;
	}
}

/** A WebSocket server on a port of its own, which can go away and come back on the same one. */
export class TestServer {
	readonly connections = new Recording<NodeWebSocket>();
	/** Answer the next handshakes with these statuses, before accepting any. */
	readonly refusals: number[] = [];
	/** Told about each handshake, refused or not. */
	handshakes = 0;
	#port = 0;
	#stop: (() => Promise<void>) | null = null;

	get url(): string {
		return `ws://127.0.0.1:${this.#port}/`;
	}

	async start(): Promise<void> {
		const http = createServer();
		const sockets = new WebSocketServer({ noServer: true });
		http.on('upgrade', (request, stream, head) => {
			this.handshakes += 1;
			const status = this.refusals.shift();
			if (status !== undefined) {
				stream.end(`HTTP/1.1 ${status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
				return;
			}
			sockets.handleUpgrade(request, stream, head, this.connections.add);
		});
		http.listen(this.#port, '127.0.0.1');
		await once(http, 'listening');
		this.#port = (http.address() as AddressInfo).port;
		this.#stop = async () => {
			for (const client of sockets.clients) client.terminate();
			http.close();
			await once(http, 'close');
		};
	}

	/** Cuts every connection and refuses new ones. */
	async stop(): Promise<void> {
		await this.#stop?.();
		this.#stop = null;
	}
}

/** A socket under test, with what it reported in order. */
export function observe(server: TestServer, options: Partial<RawSocketOptions> = {}) {
	const events = new Recording<string>();
	const socket = new RawSocket({
		url: () => server.url,
		received: (data) => events.add(`received ${String(data)}`),
		opened: () => events.add('opened'),
		interrupted: ({ code }) => events.add(`interrupted ${code}`),
		stopped: ({ code, reason }) => events.add(`stopped ${code} ${reason}`),
		WebSocket: TestWebSocket,
		onWake: () => () => undefined,
		backoff: new Backoff(() => 0),
		...options
	});
	return { socket, events };
}
