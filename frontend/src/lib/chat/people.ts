/** Who is in a room, as people rather than connections. */
import type { Member } from '$lib/duplex';

export interface Person {
	name: string;
	own: boolean;
	/** In how many tabs and devices. */
	windows: number;
}

/** Each person once, `user` first, the others by name. */
export function people(members: readonly Member[], user: string): Person[] {
	const windows = new Map<string, number>();
	for (const { user: name } of members) windows.set(name, (windows.get(name) ?? 0) + 1);
	return [...windows]
		.map(([name, count]) => ({ name, own: name === user, windows: count }))
		.sort((a, b) => Number(b.own) - Number(a.own) || a.name.localeCompare(b.name));
}

/** The letters that stand for somebody where a name has no room. */
export function initials(name: string): string {
	const [first = '', ...others] = name.trim().split(/\s+/);
	const last = others.at(-1) ?? '';
	return (firstLetter(first) + firstLetter(last)).toLocaleUpperCase();
}

/** A number from 0 to `count` - 1 that is the same for the same name everywhere, to give a colour by. */
export function shadeOf(name: string, count: number): number {
	let hash = 0;
	for (const letter of name) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 65_521;
	return hash % count;
}

/** A letter may be more than one UTF-16 unit. */
function firstLetter(word: string): string {
	const [letter = ''] = word;
	return letter;
}
