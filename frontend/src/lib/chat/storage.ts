/** What a tab remembers over a reload. */

/** The part of `sessionStorage` that is used here. */
export type TabStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

/**
 * The tab's own storage. Where the browser has none to give, or no room in it, things are remembered as long as the page
 * is there, which is what their owners do anyway.
 */
export function tabStorage(browserStorage = () => sessionStorage): TabStorage {
	const attempt = <T>(act: (storage: Storage) => T, otherwise: T): T => {
		try {
			return act(browserStorage());
		} catch {
			return otherwise;
		}
	};
	return {
		getItem: (key) => attempt((storage) => storage.getItem(key), null),
		setItem: (key, value) => attempt((storage) => storage.setItem(key, value), undefined),
		removeItem: (key) => attempt((storage) => storage.removeItem(key), undefined)
	};
}
