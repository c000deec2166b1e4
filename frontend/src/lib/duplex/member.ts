import type { ClientInfo } from 'centrifuge';
import type { Member } from './types';

/** A connection, in the words of this layer. */
export function memberOf({ client, user, chanInfo }: ClientInfo): Member {
	return { client, user, info: (chanInfo ?? null) as unknown };
}
