import { fingerprints } from '../contract/fingerprints';
import { ask } from './asking';
import { page } from './page';
import type { ArgumentsOf, CallName, ReplyOf } from './types';

/** The contract's fingerprints, by call. */
let current = fingerprints;

// In development, types that change on the server do not load components again: the next call has the new ones.
import.meta.hot?.accept('../contract/fingerprints', (module) => {
	if (module) current = module['fingerprints'] as typeof fingerprints;
});

/**
 * Asks the server, as soon as there is a connection. What it takes and brings is in the contract.
 *
 * @throws {CallError} and nothing else.
 */
export async function call<Name extends CallName>(
	name: Name,
	...args: ArgumentsOf<Name>
): Promise<ReplyOf<Name>> {
	const [params = null]: readonly unknown[] = args;
	return (await ask(page, { name, fingerprint: current[name], params })) as ReplyOf<Name>;
}
