/** The connection of this page to the server that it came from. */
import { Connection } from './connection.svelte';
import { fingerprintOfChannel } from './fingerprints';
import type { PageConnection } from './types';

const ENDPOINT = '/connection/websocket';

/** While a page is prerendered there is no place that it came from, and no server. */
const url =
	typeof location === 'undefined' ? null : location.origin.replace(/^http/, 'ws') + ENDPOINT;

/** What `call` and `channel` use. */
export const page = new Connection({ url, fingerprint: fingerprintOfChannel });

/** What pages see of it. */
export const connection: PageConnection = page;

// When this code is replaced in development, the connection of the old one must not stay open beside the new one. Tests
// have a hot context without data.
const kept = import.meta.hot?.data as { page?: Connection } | undefined;
if (kept) {
	kept.page?.close();
	kept.page = page;
}
