/** How the layer speaks to the server on behalf of a page: every failure is a `CallError`. */
import { CallError, type Reason } from './call-error';
import type { Connection } from './connection.svelte';
import { reasonOf, sdkError, wordsFor } from './reason';

/**
 * The most that is sent at once, as JSON: half of what the server takes unless it is told otherwise. It ends the connection
 * of a page that sends too much, and the SDK does not open another one then.
 */
const MOST_BYTES = 512 * 1024;

export interface Question {
	/** The call's name in the contract. */
	name: string;
	/** What page and server must have in common; without it the server takes what it can read. */
	fingerprint?: string | undefined;
	params: unknown;
}

/** Sends a call and returns what the server replied. */
export async function ask(connection: Connection, question: Question): Promise<unknown> {
	const { name, fingerprint, params } = question;
	const method = fingerprint === undefined ? name : `${name}@${fingerprint}`;
	return translated(name, params, () => connection.rpc(method, params));
}

/** Does `work`, which sends `data` for `subject`, a call or a channel. */
export async function translated<T>(
	subject: string,
	data: unknown,
	work: () => Promise<T>
): Promise<T> {
	const fault = faultIn(data);
	if (fault !== null) throw failure(subject, { type: 'malformed', message: fault });
	try {
		return await work();
	} catch (error) {
		// The contract says what errors a call has, and the fingerprint that the server has the same one.
		throw failure(subject, reasonOf(sdkError(error)) as Reason);
	}
}

function failure(subject: string, reason: Reason): CallError {
	return new CallError(subject, reason, `${subject}: ${wordsFor(reason)}`);
}

/** Why it cannot be sent; null if it can. */
function faultIn(data: unknown): string | null {
	try {
		const { length } = new TextEncoder().encode(JSON.stringify(data));
		return length > MOST_BYTES
			? `${length} bytes are more than the ${MOST_BYTES} that a page sends`
			: null;
	} catch (error) {
		return sdkError(error).message;
	}
}
