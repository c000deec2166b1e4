import { call } from '$lib/duplex';

export async function busiestRoom(): Promise<string | null> {
	const rooms = await call('chat.rooms');
	const [busiest] = rooms.toSorted((one, other) => other.messages - one.messages);
	return busiest?.name ?? null;
}
