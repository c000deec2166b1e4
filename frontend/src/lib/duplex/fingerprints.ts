/** What this page takes calls and channels for: the fingerprints of the types that it was built with. */
import { fingerprints } from '../contract/fingerprints';

let current = fingerprints;

// In development, types that change on the server do not load components again: what is asked next has the new ones.
import.meta.hot?.accept('../contract/fingerprints', (module) => {
	if (module) current = module['fingerprints'] as typeof fingerprints;
});

export function fingerprintOfCall(name: string): string | undefined {
	return current[name];
}

/** All channels of a namespace have the same types. */
export function fingerprintOfChannel(name: string): string | undefined {
	return current[name.slice(0, name.indexOf(':') + 1)];
}
