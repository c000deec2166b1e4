import { Snapshot } from './snapshot.svelte';
import type { Member } from './types';

/** A join or a leave. */
type Change = (members: Map<string, Member>) => void;

/**
 * Who is in a channel: a list that the server was asked for, and the joins and leaves since. Those that arrive while the
 * answer is under way are applied to it once more, because the server may have made the list before them.
 */
export class Presence {
	#byClient = new Map<string, Member>();
	readonly #members = new Snapshot<readonly Member[]>(() => [...this.#byClient.values()]);
	/** What has come since the question was asked that is under way; null if none is. */
	#changes: Change[] | null = null;

	get members(): readonly Member[] {
		return this.#members.value;
	}

	/**
	 * Replaces the members by those that `ask` brings. A later question makes an earlier one pointless.
	 *
	 * @throws whatever `ask` throws; the members then stay as they are.
	 */
	async refresh(ask: () => Promise<readonly Member[]>): Promise<void> {
		const changes: Change[] = [];
		this.#changes = changes;
		try {
			const members = await ask();
			if (this.#changes === changes) this.#replace(members, changes);
		} finally {
			if (this.#changes === changes) this.#changes = null;
		}
	}

	joined(member: Member): void {
		this.#apply((members) => members.set(member.client, member));
	}

	left(client: string): void {
		this.#apply((members) => members.delete(client));
	}

	/** Forgets everybody, and the question that is under way. */
	clear(): void {
		this.#changes = null;
		this.#replace([], []);
	}

	#apply(change: Change): void {
		change(this.#byClient);
		this.#changes?.push(change);
		this.#members.changed();
	}

	#replace(members: readonly Member[], changes: readonly Change[]): void {
		this.#byClient = new Map(members.map((member) => [member.client, member]));
		for (const change of changes) change(this.#byClient);
		this.#members.changed();
	}
}
