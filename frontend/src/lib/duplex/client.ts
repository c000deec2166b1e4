/** The SDK's client, set up for this server, and when it makes its attempts to connect. */
import { Centrifuge } from 'centrifuge';

/** The longest that the first retry waits is twice this: a restarted server is usually back by then. */
const SHORTEST_DELAY_MS = 250;

/** The longest that any retry waits. */
const LONGEST_DELAY_MS = 5_000;

/** How long to wait for a connection, and then for an answer. */
export const PATIENCE_MS = 5_000;

export interface ClientOptions {
	url: string;
	/** An attempt to connect begins. */
	attempting: () => void;
	/** The next attempt begins in so many milliseconds, unless something makes it begin earlier. */
	waiting: (delay: number) => void;
	/** What to connect with, where it is not the browser's own. */
	WebSocket?: (new (url: string) => WebSocket) | undefined;
	/** What says `offline` and `online`, where it is not the browser's window. */
	network?: EventTarget | undefined;
}

export function createClient(options: ClientOptions): Centrifuge {
	const client = new Centrifuge(options.url, {
		websocket: announcing(options.WebSocket ?? WebSocket, options.attempting),
		networkEventTarget: options.network ?? null,
		timeout: PATIENCE_MS,
		minReconnectDelay: SHORTEST_DELAY_MS,
		maxReconnectDelay: LONGEST_DELAY_MS
	});
	announceDelays(client, options.waiting);
	return client;
}

/** The SDK makes one socket per attempt, and has no event for it. */
function announcing(Socket: new (url: string) => WebSocket, attempting: () => void) {
	return class extends Socket {
		constructor(url: string) {
			super(url);
			attempting();
		}
	};
}

/**
 * The SDK tells nobody how long it waits, so the private method that decides it is listened to. Should another version not
 * have it, the time of the next attempt is unknown and all else works; a test says so. That is why the version is pinned.
 */
function announceDelays(client: object, waiting: (delay: number) => void): void {
	const scheduling = client as { _getReconnectDelay?: () => number };
	const decide = scheduling._getReconnectDelay;
	if (decide === undefined) return;
	scheduling._getReconnectDelay = () => {
		const delay = decide.call(client);
		waiting(delay);
		return delay;
	};
}
