import { call, CallError } from '$lib/duplex';

/** Says something in a room; returns what to tell the visitor if that cannot be. */
export async function send(room: string, text: string): Promise<string | null> {
	try {
		await call('chat.send', { room, text, nonce: crypto.randomUUID() });
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
