/** Names of rooms, as the server takes them. */

const MAX_LENGTH = 32;

/** Makes a name of what people type when they mean one: `#Tea Break` is `tea-break`. */
export function toRoomName(typed: string): string {
	return typed.trim().replace(/^#/, '').toLowerCase().replace(/\s+/g, '-');
}

/** Why the server would not take the name, in words for people; null if it would. */
export function roomNameProblem(name: string): string | null {
	if (name === '') return 'Give the room a name.';
	if (/[^a-z0-9-]/.test(name)) return 'A name has only letters from a to z, digits and hyphens.';
	if (name.length > MAX_LENGTH) return `A name has at most ${MAX_LENGTH} characters.`;
	return null;
}
