/** What keys mean in the composer. */

/** The code of keys that belong to an input method. Safari gives only this of the one that ends a composition. */
const COMPOSING = 229;

type Key = Pick<KeyboardEvent, 'key' | 'shiftKey' | 'isComposing' | 'keyCode'>;

/** Whether a key sends: Enter does, unless it makes a new line (with Shift) or chooses a word of an input method. */
export function sends({ key, shiftKey, isComposing, keyCode }: Key): boolean {
	return key === 'Enter' && !shiftKey && !isComposing && keyCode !== COMPOSING;
}
