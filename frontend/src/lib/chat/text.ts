/** What the server takes for the text of a message. It has the last word; this only spares it what is much too long. */

/** How many characters a text may have. */
export const MAX_CHARACTERS = 2_000;

/** Counted as the server does: an emoji of two UTF-16 units is one character. */
export function isTooLong(text: string): boolean {
	return text.length > MAX_CHARACTERS && [...text].length > MAX_CHARACTERS;
}
