import { connection } from '$lib/duplex';

export async function signIn(name: string): Promise<void> {
	const body = JSON.stringify({ name });
	const headers = { 'content-type': 'application/json' };
	await fetch('/api/session', { method: 'POST', headers, body });
	connection.reconnect();
}
