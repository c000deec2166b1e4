/**
 * Tells the page's error handlers about an error that has no caller to go to. It must not go back to the SDK, which ends the
 * connection for good when a listener throws.
 */
export function report(error: unknown): void {
	if (typeof reportError === 'function') reportError(error);
	else console.error(error);
}
