import type { Message, Room } from '$lib/contract/types';
import { call, CallError } from '$lib/duplex';
import { roomsProblem } from './words';

/** The room that is always there. */
export const LOBBY = 'lobby';

/** How often the server is asked for the rooms, in milliseconds: nobody is told of those that they are not in. */
const INTERVAL_MS = 20_000;

/** The rooms that there are, as far as the page has heard. */
export class Rooms {
	#rooms = $state.raw<readonly Room[]>([]);
	#problem = $state<string | null>(null);

	/** Why the rooms are not known, in words for people; null if they are. */
	get problem(): string | null {
		return this.#problem;
	}

	/** All rooms and the one that is being looked at, which may have no message yet: the liveliest first. */
	with(current: string | null): readonly Room[] {
		const wanted = current === null || current === LOBBY ? [LOBBY] : [LOBBY, current];
		const empty = wanted
			.filter((name) => !this.#rooms.some((room) => room.name === name))
			.map((name) => ({ name, messages: 0, latest: null }));
		return [...this.#rooms, ...empty].sort(
			(a, b) => (b.latest ?? 0) - (a.latest ?? 0) || a.name.localeCompare(b.name)
		);
	}

	/** Keeps asking the server, now and while the page is looked at, until the returned function is called. */
	watch(): () => void {
		void this.refresh();
		const timer = setInterval(() => {
			if (document.visibilityState === 'visible') void this.refresh();
		}, INTERVAL_MS);
		return () => clearInterval(timer);
	}

	/** Asks the server. What was known stays known if it does not answer. */
	async refresh(): Promise<void> {
		try {
			this.#rooms = await call('chat.rooms');
			this.#problem = null;
		} catch (error) {
			if (!CallError.is('chat.rooms', error)) throw error;
			// The state of the connection is shown elsewhere.
			if (error.reason.type !== 'unreachable') this.#problem = roomsProblem(error.reason);
		}
	}

	/** Somebody has said something. Replies and publications may pass each other, so it need not be the latest. */
	heard({ room: name, sent }: Message): void {
		const known = this.#rooms.find((room) => room.name === name);
		const latest = Math.max(known?.latest ?? 0, sent);
		const heard = { name, messages: (known?.messages ?? 0) + 1, latest };
		this.#rooms = [heard, ...this.#rooms.filter((room) => room.name !== name)];
	}
}
