/** How the layer speaks to the server on behalf of a page: every failure is a `CallError`. */
import { errorCodes } from 'centrifuge';
import { CallError, type Reason } from './call-error';
import type { Connection } from './connection.svelte';
import { reasonOf, sdkError, wordsFor } from './reason';

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
	try {
		return await work();
	} catch (error) {
		const reason = why(error, data);
		throw new CallError(subject, reason, `${subject}: ${wordsFor(reason)}`);
	}
}

function why(error: unknown, data: unknown): Reason {
	const sdk = sdkError(error);
	// The SDK takes what cannot be JSON for a socket that cannot be written to.
	const fault = sdk.code === errorCodes.transportWriteError ? faultIn(data) : null;
	// The contract says what errors a call has, and the fingerprint that the server has the same one.
	return (fault === null ? reasonOf(sdk) : { type: 'malformed', message: fault }) as Reason;
}

/** Why it cannot be JSON; null if it can. */
function faultIn(data: unknown): string | null {
	try {
		JSON.stringify(data);
		return null;
	} catch (error) {
		return sdkError(error).message;
	}
}
