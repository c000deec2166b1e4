/** What failures are called in front of people. The compiler sees to it that none is forgotten. */
import type { Failure, Reason } from '$lib/duplex';

/** Why a message was not sent. */
export function sendProblem(reason: Reason<'chat.send'>): string {
	switch (reason.type) {
		case 'empty':
			return 'There is nothing in the message.';
		case 'too_long':
			return `The message is too long: ${reason.limit} characters are the most that one can have.`;
		case 'unprintable':
			return 'The message has a character in it that nobody can see.';
		case 'too_fast':
			return `That was faster than anybody reads. Try again in ${seconds(reason.wait)}.`;
		case 'bad_room':
			return 'There cannot be a room of this name.';
		case 'nonce_taken':
			return 'The message was mistaken for another one. Write it again.';
		case 'unreachable':
			return 'The server did not answer. Retry when you like: the message is never sent twice.';
		default:
			return failure(reason);
	}
}

/** Why messages were not loaded. */
export function loadProblem(reason: Reason<'chat.open'> | Reason<'chat.earlier'>): string {
	return reason.type === 'bad_room' ? 'There cannot be a room of this name.' : failure(reason);
}

/** Why the rooms are not known. */
export function roomsProblem(reason: Reason<'chat.rooms'>): string {
	return failure(reason);
}

function failure(reason: Failure): string {
	switch (reason.type) {
		case 'malformed':
			return `The server does not understand this page: ${reason.message}`;
		case 'changed':
			return 'This page is older than the server. Reload it: what you have written stays.';
		case 'signed_out':
			return 'You are signed out. Sign in again: what you have written stays.';
		case 'denied':
			return 'You are not allowed to do this.';
		case 'unreachable':
			return 'The server does not answer.';
		case 'failed':
			return `The server could not do it: ${reason.message} (${reason.code}).`;
	}
}

function seconds(milliseconds: number): string {
	const count = Math.max(1, Math.ceil(milliseconds / 1000));
	return count === 1 ? 'a second' : `${count} seconds`;
}
