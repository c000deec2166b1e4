/**
 * Puts the focus on what the visitor most likely wants to use next. Not on touch screens, where a focused field brings up
 * a keyboard that nobody has asked for.
 */
export function focusUnlessTouch(element: HTMLElement | null | undefined): void {
	if (!matchMedia('(pointer: coarse)').matches) element?.focus();
}
