import type { CallName, ErrorOf } from './types';

/** What can come of any call, beside the errors of its own. */
export type Failure =
	/** The server could not read what was sent, and the message names the field; or it is nothing to be sent. */
	| { type: 'malformed'; message: string }
	/** The server's code is not the one that this page was built for: load the page again. */
	| { type: 'changed' }
	/** It takes somebody who is signed in, or the page was another user when it was asked for. */
	| { type: 'signed_out' }
	| { type: 'denied' }
	/** No answer came. The server may have done what was asked all the same. */
	| { type: 'unreachable' }
	/** Anything else, with the server's code. */
	| { type: 'failed'; code: number; message: string };

export type Reason<Name extends CallName = CallName> = ErrorOf<Name> | Failure;

/** The one way in which a call fails. `reason` is for the program, the message for whoever writes it. */
export class CallError<Name extends CallName = CallName> extends Error {
	override readonly name = 'CallError';
	/** The call that failed, or the channel that was published to. */
	readonly call: string;
	readonly reason: Reason<Name>;

	constructor(call: string, reason: Reason<Name>, message: string) {
		super(message);
		this.call = call;
		this.reason = reason;
	}

	/** Whether `error` is what became of that call; its `reason` then has the call's own errors. */
	static is<Name extends CallName>(call: Name, error: unknown): error is CallError<Name> {
		return error instanceof CallError && error.call === call;
	}

	/** As it would be anyway; but TypeScript takes the type parameter for `any` then, and the reason with it. */
	static override [Symbol.hasInstance](error: unknown): error is CallError {
		return Function.prototype[Symbol.hasInstance].call(this, error);
	}
}
