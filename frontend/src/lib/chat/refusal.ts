/** What it means that the server does not let a page into a channel. */
import type { Failure, Refusal } from '$lib/duplex';

/** The protocol's code for whoever has to sign in first. */
const UNAUTHORIZED = 101;
const PERMISSION_DENIED = 103;
/** The code for a page that was built for other messages than the server's. */
const CHANGED = 409;

/** The same as of a call that fails for that reason. */
export function failureOf({ code, message }: Refusal): Failure {
	switch (code) {
		case UNAUTHORIZED:
			return { type: 'signed_out' };
		case PERMISSION_DENIED:
			return { type: 'denied' };
		case CHANGED:
			return { type: 'changed' };
		default:
			return { type: 'failed', code, message };
	}
}
