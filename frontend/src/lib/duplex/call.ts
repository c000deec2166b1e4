import { ask } from './asking';
import { fingerprintOfCall } from './fingerprints';
import { page } from './page';
import type { ArgumentsOf, CallName, ReplyOf } from './types';

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
	const fingerprint = fingerprintOfCall(name);
	return (await ask(page, { name, fingerprint, params })) as ReplyOf<Name>;
}
