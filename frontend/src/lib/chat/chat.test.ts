import { beforeEach, expect, test, vi } from 'vitest';
import { Chat } from './chat.svelte';

const connection = vi.hoisted(() => ({ status: { state: 'idle' }, reconnect: vi.fn() }));

const updates = vi.hoisted(() => ({ demand: vi.fn() }));

vi.mock('$lib/updates.svelte', () => ({ updates }));
vi.mock('$lib/duplex', async (original) => ({ ...(await original<object>()), connection }));

/** Has the server know this visitor. */
function knows(user: string | null): void {
	vi.stubGlobal('fetch', () => Promise.resolve(Response.json({ user })));
}

beforeEach(() => {
	connection.status = { state: 'idle' };
	connection.reconnect.mockReset();
});

test('a visitor whom the server knows needs no new connection', async () => {
	knows('Ada');
	const chat = new Chat();
	await chat.identify();

	expect(chat.user).toBe('Ada');
	expect(connection.reconnect).not.toHaveBeenCalled();
});

test('a connection that stands is renewed before anybody is somebody else', async () => {
	knows(null);
	const chat = new Chat();
	await chat.identify();
	connection.status = { state: 'connected' };
	const users: (string | null)[] = [];
	connection.reconnect.mockImplementation(() => users.push(chat.user));
	knows('Ada');
	await chat.signIn('Ada');
	await chat.identify();

	expect(users).toEqual([null]);
	expect(chat.user).toBe('Ada');
});

test('whoever is signed out elsewhere is signed out here, once a call says so', async () => {
	knows('Ada');
	const chat = new Chat();
	await chat.identify();
	knows(null);
	const identify = vi.spyOn(chat, 'identify');
	chat.failed({ type: 'signed_out' });
	await identify.mock.results[0]?.value;

	expect(chat.user).toBeNull();
});

test('a server that cannot be asked leaves the visitor who they are', async () => {
	knows('Ada');
	const chat = new Chat();
	await chat.identify();
	vi.stubGlobal('fetch', () => Promise.reject(new TypeError('offline')));
	await chat.identify();

	expect(chat.user).toBe('Ada');
});

test('a server that has moved on is a reason to load the page again', () => {
	new Chat().failed({ type: 'denied' });
	expect(updates.demand).not.toHaveBeenCalled();

	new Chat().failed({ type: 'changed' });

	expect(updates.demand).toHaveBeenCalledOnce();
});
