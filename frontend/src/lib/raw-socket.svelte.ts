import { Backoff } from './backoff';
import { onWake } from './wake';

/** How long a connection has to last before the next failure counts as a first one. */
const STABLE_AFTER_MS = 5_000;

/** How long the handshake may take before the attempt is given up: a silent network reports nothing for minutes. */
const CONNECT_DEADLINE_MS = 10_000;

const NORMAL_CLOSURE = 1000;
const GOING_AWAY = 1001;
const ABNORMAL_CLOSURE = 1006;
const POLICY_VIOLATION = 1008;
const SERVICE_RESTART = 1012;

/** `closed` until asked to open, `waiting` between two attempts. */
export type SocketState = 'closed' | 'connecting' | 'open' | 'waiting';

/** Why a connection, or an attempt at one, is over. */
export interface Ending {
	code: number;
	reason: string;
}

export interface RawSocketOptions {
	/** Asked before every attempt, and never before the first. */
	url: () => string;
	/** A message has arrived. */
	received: (data: string | ArrayBuffer) => void;
	/** The connection stands, for the first time or again. */
	opened?: () => void;
	/** The connection is gone or could not be made, and is being retried. Said once per outage. */
	interrupted?: (ending: Ending) => void;
	/** The server has closed the connection for good. */
	stopped?: (ending: Ending) => void;
	/** What to connect with, where it is not the browser's own. */
	WebSocket?: new (url: string) => WebSocket;
	/** What ends a wait early; see `onWake`. */
	onWake?: (retry: () => void) => () => void;
	backoff?: Backoff;
}

/**
 * A WebSocket that comes back by itself. Owns the connection, its one timer and the decision whether to retry; what the
 * messages mean is left to its user. `close` releases everything that `open` took.
 */
export class RawSocket {
	#state = $state<SocketState>('closed');
	#retryAt = $state<number | null>(null);
	#socket: WebSocket | null = null;
	/** The handshake's deadline, the wait for the next attempt, or the proof of stability: one per state. */
	#timer: ReturnType<typeof setTimeout> | undefined;
	#interrupted = false;
	#ignoreWake: (() => void) | null = null;
	readonly #backoff: Backoff;
	readonly #options: RawSocketOptions;

	constructor(options: RawSocketOptions) {
		this.#options = options;
		this.#backoff = options.backoff ?? new Backoff();
	}

	get state(): SocketState {
		return this.#state;
	}

	/** When the next attempt begins, in milliseconds since the epoch; null unless `waiting`. */
	get retryAt(): number | null {
		return this.#retryAt;
	}

	/** Connects, and stays connected until `close` or until the server refuses for good. */
	open(): void {
		if (this.#state !== 'closed') return;
		this.#ignoreWake = (this.#options.onWake ?? onWake)(() => this.#retryNow());
		this.#connect();
	}

	/** Sends a text, or returns false if there is no connection to send it over. */
	send(text: string): boolean {
		if (this.#state !== 'open' || this.#socket?.readyState !== 1) return false;
		this.#socket.send(text);
		return true;
	}

	/** Replaces the connection, as the server knows a visitor by the cookies of the handshake. */
	reconnect(): void {
		if (this.#state === 'closed') return;
		this.#abandon();
		this.#connect();
	}

	/** Ends the connection and every attempt to get it back. Nothing is reported afterwards. */
	close(): void {
		this.#abandon();
		this.#settle();
	}

	#connect(): void {
		const socket = new (this.#options.WebSocket ?? WebSocket)(this.#options.url());
		socket.binaryType = 'arraybuffer';
		this.#socket = socket;
		this.#state = 'connecting';
		this.#schedule(CONNECT_DEADLINE_MS, () => this.#giveUp());

		// A socket that has been replaced still reports its end; only the current one is listened to.
		const whileCurrent =
			<E>(handle: (event: E) => void) =>
			(event: E) => {
				if (this.#socket === socket) handle(event);
			};
		socket.addEventListener(
			'open',
			whileCurrent(() => this.#opened())
		);
		socket.addEventListener(
			'message',
			whileCurrent((event: MessageEvent<string | ArrayBuffer>) =>
				this.#options.received(event.data)
			)
		);
		socket.addEventListener(
			'close',
			whileCurrent(({ code, reason }: CloseEvent) => this.#ended({ code, reason }))
		);
	}

	#opened(): void {
		this.#state = 'open';
		this.#interrupted = false;
		this.#schedule(STABLE_AFTER_MS, () => this.#backoff.reset());
		this.#options.opened?.();
	}

	#giveUp(): void {
		this.#abandon();
		this.#wait({ code: ABNORMAL_CLOSURE, reason: 'the server did not answer' });
	}

	#ended(ending: Ending): void {
		this.#abandon();
		// Nothing has failed: a server that stops or swaps its code in good order is not to be kept waiting for.
		if (ending.code === GOING_AWAY || ending.code === SERVICE_RESTART) this.#backoff.reset();
		if (!isFinal(ending.code)) return this.#wait(ending);
		this.#settle();
		this.#options.stopped?.(ending);
	}

	#wait(ending: Ending): void {
		const delay = this.#backoff.next();
		this.#state = 'waiting';
		this.#retryAt = Date.now() + delay;
		this.#schedule(delay, () => this.#retryNow());
		if (this.#interrupted) return;
		this.#interrupted = true;
		this.#options.interrupted?.(ending);
	}

	#retryNow(): void {
		if (this.#state !== 'waiting') return;
		this.#abandon();
		this.#connect();
	}

	/** Back to `closed`, with a clean slate for the next `open`. */
	#settle(): void {
		this.#ignoreWake?.();
		this.#ignoreWake = null;
		this.#interrupted = false;
		this.#backoff.reset();
		this.#state = 'closed';
	}

	/** Lets go of the present connection and of the timer. */
	#abandon(): void {
		clearTimeout(this.#timer);
		this.#retryAt = null;
		const socket = this.#socket;
		this.#socket = null;
		socket?.close(NORMAL_CLOSURE);
	}

	#schedule(delay: number, act: () => void): void {
		clearTimeout(this.#timer);
		this.#timer = setTimeout(act, delay);
	}
}

/**
 * Whether a close code asks the page to stay away: the conversation is over, a rule was broken, or the application has
 * said so in its own range. Everything else is a failure that may pass. A handshake refused with an HTTP status looks
 * like a lost network to the browser (1006), so it is retried too.
 */
function isFinal(code: number): boolean {
	return code === NORMAL_CLOSURE || code === POLICY_VIOLATION || (code >= 4000 && code <= 4999);
}
