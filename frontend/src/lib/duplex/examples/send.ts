import type { SendMessage } from '$lib/contract/types';
import { call, CallError, newNonce } from '$lib/duplex';

/** A message that the server has not seen. */
export function write(room: string, text: string): SendMessage {
	return { room, text, nonce: newNonce() };
}

/** Sends a message; returns what to tell the visitor if that cannot be. To send the same one again makes no second one. */
export async function send(message: SendMessage): Promise<string | null> {
	try {
		await call('chat.send', message);
		return null;
	} catch (error) {
		if (!CallError.is('chat.send', error)) throw error;
		const { reason } = error;
		switch (reason.type) {
			case 'too_long':
				return `At most ${reason.limit} characters, please`;
			case 'too_fast':
				return `Please wait for ${Math.ceil(reason.wait / 1000)} s`;
			case 'signed_out':
				return 'Please sign in first';
			case 'changed':
				return 'There is a new version of this page: please load it again';
			case 'unreachable':
				return 'The server cannot be reached; try again';
			default:
				return 'That did not work';
		}
	}
}
