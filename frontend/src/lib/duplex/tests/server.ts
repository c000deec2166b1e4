/** A real server, as a process of its own, and a line to it that can be cut. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { inject } from 'vitest';

export class ContractServer {
	#process: ChildProcess | null = null;
	#port = 0;

	get port(): number {
		return this.#port;
	}

	/** On the port that it had before, if it has run before. */
	async start(...flags: string[]): Promise<void> {
		const program = inject('contractServer');
		const child = spawn(program, ['--port', String(this.#port), ...flags], {
			stdio: ['ignore', 'pipe', 'inherit'],
			// Failures are asked for in these tests.
			env: { ...process.env, RUST_LOG: 'off' }
		});
		this.#process = child;
		const [line] = (await once(createInterface(child.stdout), 'line')) as [string];
		this.#port = Number(new URL(line.replace('listening on ', '')).port);
	}

	/** Ends it in the middle of whatever it does. */
	async kill(): Promise<void> {
		const child = this.#process;
		this.#process = null;
		if (child === null || child.exitCode !== null) return;
		const exit = once(child, 'exit');
		child.kill('SIGKILL');
		await exit;
	}

	async fingerprints(): Promise<Record<string, string>> {
		const response = await fetch(`http://127.0.0.1:${this.#port}/fingerprints`);
		return (await response.json()) as Record<string, string>;
	}
}

/** What lies between a page and the server: while it is cut, the server goes on without the page. */
export class Line {
	readonly #server: ContractServer;
	readonly #streams = new Set<Socket>();
	#listener: Server | null = null;
	#port = 0;

	constructor(server: ContractServer) {
		this.#server = server;
	}

	url(user: string): string {
		return `ws://127.0.0.1:${this.#port}/connection/websocket?user=${user}`;
	}

	/** Again on the same port, after `cut`. */
	async mend(): Promise<void> {
		const listener = createServer((near) => this.#forward(near));
		this.#listener = listener;
		listener.listen(this.#port, '127.0.0.1');
		await once(listener, 'listening');
		this.#port = (listener.address() as AddressInfo).port;
	}

	async cut(): Promise<void> {
		const listener = this.#listener;
		this.#listener = null;
		if (listener === null) return;
		const closed = once(listener, 'close');
		listener.close();
		for (const stream of this.#streams) stream.destroy();
		await closed;
	}

	#forward(near: Socket): void {
		const far = connect(this.#server.port, '127.0.0.1');
		for (const [stream, other] of [
			[near, far],
			[far, near]
		] as const) {
			this.#streams.add(stream);
			stream.pipe(other);
			stream.on('error', () => undefined);
			stream.on('close', () => {
				this.#streams.delete(stream);
				other.destroy();
			});
		}
	}
}
