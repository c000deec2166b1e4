import { beforeEach, expect, test, vi } from 'vitest';
import type { Room } from '$lib/contract/types';
import { CallError } from '$lib/duplex';
import { Rooms } from './rooms.svelte';
import { message } from './testing';

const call = vi.hoisted(() => vi.fn<() => Promise<Room[]>>());

vi.mock('$lib/duplex', async (original) => ({ ...(await original<object>()), call }));

const names = (rooms: Rooms, current: string) => rooms.with(current).map(({ name }) => name);

beforeEach(() => {
	call.mockReset();
	call.mockResolvedValue([
		{ name: 'attic', messages: 1, latest: 10 },
		{ name: 'kitchen', messages: 2, latest: 20 }
	]);
});

test('the lobby and the room one is in are always there', () => {
	const rooms = new Rooms();

	expect(names(rooms, 'lobby')).toEqual(['lobby']);
	expect(names(rooms, 'cellar')).toEqual(['cellar', 'lobby']);
});

test('the liveliest rooms come first', async () => {
	const rooms = new Rooms();
	await rooms.refresh();
	expect(names(rooms, 'lobby')).toEqual(['kitchen', 'attic', 'lobby']);

	rooms.heard(message({ room: 'attic', sent: 30 }));

	expect(names(rooms, 'lobby')).toEqual(['attic', 'kitchen', 'lobby']);
	expect(rooms.with('lobby')[0]).toEqual({ name: 'attic', messages: 2, latest: 30 });
});

test('what is heard late does not make a room older', () => {
	const rooms = new Rooms();
	rooms.heard(message({ room: 'attic', sent: 30 }));
	rooms.heard(message({ room: 'attic', sent: 20 }));

	expect(rooms.with('attic')[0]).toEqual({ name: 'attic', messages: 2, latest: 30 });
});

test('what is known stays known when the server does not answer', async () => {
	const rooms = new Rooms();
	await rooms.refresh();
	call.mockRejectedValue(new CallError('chat.rooms', { type: 'unreachable' }, 'failed'));
	await rooms.refresh();

	expect(names(rooms, 'kitchen')).toEqual(['kitchen', 'attic', 'lobby']);
	expect(rooms.problem).toBeNull();
});

test('any other failure is said, until it is over', async () => {
	const rooms = new Rooms();
	call.mockRejectedValueOnce(new CallError('chat.rooms', { type: 'denied' }, 'failed'));
	await rooms.refresh();
	expect(rooms.problem).toContain('not allowed');

	await rooms.refresh();

	expect(rooms.problem).toBeNull();
});

test('the server is asked as long as somebody looks', () => {
	vi.useFakeTimers();
	const page = { visibilityState: 'visible' };
	vi.stubGlobal('document', page);
	const stop = new Rooms().watch();
	vi.advanceTimersByTime(40_000);
	expect(call).toHaveBeenCalledTimes(3);

	page.visibilityState = 'hidden';
	vi.advanceTimersByTime(40_000);
	expect(call).toHaveBeenCalledTimes(3);

	stop();
	expect(vi.getTimerCount()).toBe(0);
	vi.useRealTimers();
});
