import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Backoff } from '$lib/backoff';
import { Chat } from './chat.svelte';

const connection = vi.hoisted(() => ({
	status: { state: 'idle' },
	user: null as string | null,
	reconnect: vi.fn()
}));

const updates = vi.hoisted(() => ({ demand: vi.fn() }));

vi.mock('$lib/updates.svelte', () => ({ updates }));
vi.mock('$lib/duplex', async (original) => ({ ...(await original<object>()), connection }));

/** Has the server know this visitor. */
function knows(user: string | null): void {
	vi.stubGlobal('fetch', () => Promise.resolve(Response.json({ user })));
}

function cannotBeReached(): void {
	vi.stubGlobal('fetch', () => Promise.reject(new TypeError('offline')));
}

/** Has the connection stand, as this user's. */
function connected(user: string | null): void {
	Object.assign(connection, { status: { state: 'connected' }, user });
}

async function chatOf(user: string | null): Promise<Chat> {
	knows(user);
	const chat = new Chat(new Backoff(() => 0));
	await chat.identify();
	return chat;
}

beforeEach(() => {
	Object.assign(connection, { status: { state: 'idle' }, user: null });
	connection.reconnect.mockReset();
	updates.demand.mockReset();
});

test('a visitor whom the server knows needs no new connection', async () => {
	const chat = await chatOf('Ada');

	expect(chat.user).toBe('Ada');
	expect(connection.reconnect).not.toHaveBeenCalled();
});

test('a connection that stands is renewed before anybody is somebody else', async () => {
	const chat = await chatOf(null);
	connected(null);
	const users: (string | null)[] = [];
	connection.reconnect.mockImplementation(() => {
		users.push(chat.user);
		connection.status = { state: 'connecting' };
	});
	knows('Ada');
	await chat.signIn('Ada');
	await chat.identify();

	expect(users).toEqual([null]);
	expect(chat.user).toBe('Ada');
});

test('a server that cannot be asked leaves the visitor who they are', async () => {
	const chat = await chatOf('Ada');
	cannotBeReached();
	await chat.identify();

	expect(chat.user).toBe('Ada');
	expect(chat.session.error).toBeNull();
});

describe('a connection of somebody else', () => {
	beforeEach(() => {
		vi.useFakeTimers();
	});

	afterEach(() => {
		vi.useRealTimers();
	});

	test('has the page ask who the visitor is, and needs no other if it is theirs', async () => {
		const chat = await chatOf('Ada');
		connected('Bob');
		expect(chat.connected).toBe('as-another');
		knows('Bob');
		const stop = chat.keepIdentified();
		await vi.advanceTimersByTimeAsync(200);
		stop?.();

		expect(chat.user).toBe('Bob');
		expect(chat.connected).toBe('as-visitor');
		expect(connection.reconnect).not.toHaveBeenCalled();
		expect(vi.getTimerCount()).toBe(0);
	});

	test('has it ask again while the server does not answer, less and less often', async () => {
		const chat = await chatOf('Ada');
		connected(null);
		cannotBeReached();
		const identify = vi.spyOn(chat, 'identify');
		const stop = chat.keepIdentified();
		await vi.advanceTimersByTimeAsync(1000);
		expect(identify).toHaveBeenCalledTimes(3);

		knows(null);
		await vi.advanceTimersByTimeAsync(1000);
		stop?.();

		expect(chat.user).toBeNull();
		await vi.advanceTimersByTimeAsync(60_000);
		expect(identify).toHaveBeenCalledTimes(4);
	});

	test('is renewed if the visitor is who they were, and not in haste', async () => {
		const chat = await chatOf('Ada');
		connection.reconnect.mockImplementation(() => (connection.status = { state: 'connecting' }));
		connected(null);
		const stop = chat.keepIdentified();
		await vi.advanceTimersByTimeAsync(125);
		expect(connection.reconnect).toHaveBeenCalledOnce();
		stop?.();

		connected(null);
		const stopAgain = chat.keepIdentified();
		await vi.advanceTimersByTimeAsync(249);
		expect(connection.reconnect).toHaveBeenCalledOnce();
		await vi.advanceTimersByTimeAsync(1);
		expect(connection.reconnect).toHaveBeenCalledTimes(2);
		stopAgain?.();

		connected('Ada');
		expect(chat.keepIdentified()).toBeUndefined();
	});

	test('is of no interest while there is none', async () => {
		const chat = await chatOf('Ada');
		Object.assign(connection, { status: { state: 'reconnecting' }, user: 'Bob' });

		expect(chat.connected).toBe('not');
		expect(chat.keepIdentified()).toBeUndefined();
	});
});

test('a server that has moved on is a reason to load the page again', () => {
	new Chat().failed({ type: 'denied' });
	expect(updates.demand).not.toHaveBeenCalled();

	new Chat().failed({ type: 'changed' });

	expect(updates.demand).toHaveBeenCalledOnce();
});
