/**
 * Calls `retry` whenever waiting any longer is likely to be pointless: the network has come back, or the page is being
 * looked at again. Returns the function that stops listening.
 */
export function onWake(retry: () => void): () => void {
	const onVisibilityChange = () => {
		if (document.visibilityState === 'visible') retry();
	};
	window.addEventListener('online', retry);
	document.addEventListener('visibilitychange', onVisibilityChange);
	return () => {
		window.removeEventListener('online', retry);
		document.removeEventListener('visibilitychange', onVisibilityChange);
	};
}
