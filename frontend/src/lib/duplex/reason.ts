/** What the server's codes mean: from an error of the SDK to the reason of a `CallError`. */
import { errorCodes } from 'centrifuge';
import type { Failure, Reason } from './call-error';

/** What the SDK rejects with: the server's codes are 100 and above, its own below. */
export interface SdkError {
	code: number;
	message: string;
}

/** A call's own error, as the server sent it. */
export interface Refused {
	type: string;
}

export const UNAUTHORIZED = 101;
const PERMISSION_DENIED = 103;
const UNKNOWN_CALL = 104;
const MALFORMED = 107;
/** The message is the JSON text of the call's own error. */
const REFUSED = 400;
/** The server's build has other types for the call or the channel. */
const OTHER_TYPES = 409;

const UNREACHABLE: readonly number[] = [
	errorCodes.timeout,
	errorCodes.transportClosed,
	errorCodes.clientDisconnected,
	errorCodes.clientClosed,
	errorCodes.transportWriteError,
	errorCodes.connectionClosed
];

/** `error` in the form that the SDK's own have, whatever it is. */
export function sdkError(error: unknown): SdkError {
	if (typeof error !== 'object' || error === null) return { code: 0, message: String(error) };
	const code = 'code' in error && typeof error.code === 'number' ? error.code : 0;
	const message = 'message' in error ? String(error.message) : String(error);
	return { code, message };
}

/** Whether the SDK says that no answer came. */
export function isUnreachable({ code }: SdkError): boolean {
	return UNREACHABLE.includes(code);
}

/** Whether the same question may be answered a moment later. */
export function isPassing(error: unknown): boolean {
	if (isUnreachable(sdkError(error))) return true;
	// So the server says, of what has nothing to do with the question.
	return (
		typeof error === 'object' && error !== null && 'temporary' in error && error.temporary === true
	);
}

export function reasonOf(error: SdkError): Failure | Refused {
	if (isUnreachable(error)) return { type: 'unreachable' };
	const { code, message } = error;
	switch (code) {
		case REFUSED:
			return refusedIn(message) ?? { type: 'failed', code, message };
		case MALFORMED:
			return { type: 'malformed', message };
		case UNKNOWN_CALL:
			return { type: 'changed' };
		default:
			return failureOf(error);
	}
}

/** What it means that the server does not let a page into a channel: the same as of a call that fails for that reason. */
export function failureOf({ code, message }: SdkError): Failure {
	switch (code) {
		case OTHER_TYPES:
			return { type: 'changed' };
		case UNAUTHORIZED:
			return { type: 'signed_out' };
		case PERMISSION_DENIED:
			return { type: 'denied' };
		default:
			return { type: 'failed', code, message };
	}
}

/** The reason in a few words, for whoever reads the log. */
export function wordsFor(reason: Reason): string {
	switch (reason.type) {
		case 'malformed':
			return reason.message;
		case 'changed':
			return 'the server has other code than this page was built for';
		case 'signed_out':
			return 'not signed in';
		case 'denied':
			return 'not allowed';
		case 'unreachable':
			return 'the server cannot be reached';
		case 'failed':
			return `${reason.message} (${reason.code})`;
		default:
			// Without the cast, a contract whose calls have no errors of their own would not compile.
			return `refused: ${(reason as Refused).type}`;
	}
}

function refusedIn(message: string): Refused | null {
	try {
		const error: unknown = JSON.parse(message);
		return isRefused(error) ? error : null;
	} catch {
		return null;
	}
}

function isRefused(value: unknown): value is Refused {
	return (
		typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
	);
}
