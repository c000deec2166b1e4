import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Backoff } from './backoff';
import type { RawSocket } from './raw-socket.svelte';
import { observe, TestServer } from './testing';

const server = new TestServer();
let opened: RawSocket[] = [];

/** A socket that is closed with the test. */
function open(options: Parameters<typeof observe>[1] = {}) {
	const observed = observe(server, options);
	opened.push(observed.socket);
	observed.socket.open();
	return observed;
}

beforeEach(() => server.start());

afterEach(async () => {
	for (const socket of opened) socket.close();
	opened = [];
	server.refusals.length = 0;
	vi.useRealTimers();
	await server.stop();
	while (server.connections.unread > 0) await server.connections.next();
});

describe('while connected', () => {
	test('what either side sends arrives at the other', async () => {
		const { socket, events } = open();
		const peer = await server.connections.next();
		expect(await events.next()).toBe('opened');

		peer.send('Hello from the server');
		expect(await events.next()).toBe('received Hello from the server');

		const message = once(peer, 'message');
		expect(socket.send('ä text')).toBe(true);
		expect(String((await message)[0])).toBe('ä text');
	});

	test('a text sent with the handshake answer is not lost', async () => {
		const { events } = open();
		(await server.connections.next()).send('early');

		expect(await events.next()).toBe('opened');
		expect(await events.next()).toBe('received early');
	});

	test('opening an open socket does nothing', async () => {
		const { socket, events } = open();
		await events.next();
		const handshakes = server.handshakes;

		socket.open();

		expect(socket.state).toBe('open');
		expect(server.handshakes).toBe(handshakes);
	});

	test('nothing is sent without a connection', async () => {
		const { socket, events } = open();
		expect(socket.state).toBe('connecting');
		expect(socket.send('too early')).toBe(false);
		await events.next();

		socket.close();

		expect(socket.send('too late')).toBe(false);
	});

	test('closing is a normal closure to the server and is not reported', async () => {
		const { socket, events } = open();
		const peer = await server.connections.next();
		await events.next();

		socket.close();

		expect((await once(peer, 'close'))[0]).toBe(1000);
		expect(socket.state).toBe('closed');
		expect(events.unread).toBe(0);
	});

	test('a reconnection replaces the connection without an interruption', async () => {
		const { socket, events } = open();
		const first = await server.connections.next();
		await events.next();
		const closed = once(first, 'close');

		socket.reconnect();

		const second = await server.connections.next();
		expect((await closed)[0]).toBe(1000);
		expect(await events.next()).toBe('opened');
		second.send('to the second');
		expect(await events.next()).toBe('received to the second');
	});
});

describe('when the connection is lost', () => {
	test.each([1001, 1011, 1012, 1013, 3008])('close code %i makes it come back', async (code) => {
		const { socket, events } = open();
		(await server.connections.next()).close(code);

		expect(await events.next()).toBe('opened');
		expect(await events.next()).toBe(`interrupted ${code}`);
		expect(await events.next()).toBe('opened');
		expect(socket.state).toBe('open');
	});

	test('a server that goes without a word is come back to', async () => {
		const { events } = open();
		(await server.connections.next()).terminate();

		expect(await events.next()).toBe('opened');
		expect(await events.next()).toBe('interrupted 1006');
		expect(await events.next()).toBe('opened');
	});

	test('a server that restarts on the same port is found again', async () => {
		const { socket, events } = open({ backoff: new Backoff(() => 0) });
		await events.next();

		await server.stop();
		expect(await events.next()).toBe('interrupted 1006');
		expect(socket.state).toBe('waiting');
		await server.start();

		expect(await events.next()).toBe('opened');
	});

	test('refused handshakes are retried, and reported as one interruption', async () => {
		server.refusals.push(503, 401, 503);
		const { events } = open();

		expect(await events.next()).toBe('interrupted 1006');
		expect(await events.next()).toBe('opened');
		expect(server.refusals).toEqual([]);
	});

	test.each([
		[1000, 'done'],
		[1008, 'not allowed'],
		[4000, 'first of its range'],
		[4999, 'last of its range']
	])('close code %i is final', async (code, reason) => {
		const { socket, events } = open();
		(await server.connections.next()).close(code, reason);

		expect(await events.next()).toBe('opened');
		expect(await events.next()).toBe(`stopped ${code} ${reason}`);
		expect(socket.state).toBe('closed');
		expect(socket.retryAt).toBeNull();
	});

	test('a socket that was stopped can be opened again', async () => {
		const { socket, events } = open();
		(await server.connections.next()).close(4001);
		await events.next();
		await events.next();

		socket.open();

		expect(await events.next()).toBe('opened');
	});
});

describe('while waiting', () => {
	/** Waits forever, as far as a test is concerned, unless woken. */
	const patient = () => {
		const backoff = new Backoff();
		backoff.next = () => 60_000;
		return backoff;
	};

	test('the moment of the next attempt is known', async () => {
		server.refusals.push(503);
		const { socket, events } = open({ backoff: patient() });
		const before = Date.now();
		await events.next();

		expect(socket.state).toBe('waiting');
		expect(socket.retryAt).toBeGreaterThanOrEqual(before + 60_000);
	});

	test('a wake-up retries at once', async () => {
		server.refusals.push(503);
		let wake: () => void = () => undefined;
		const { events } = open({
			backoff: patient(),
			onWake: (retry) => {
				wake = retry;
				return () => undefined;
			}
		});
		await events.next();

		wake();

		expect(await events.next()).toBe('opened');
	});

	test('a wake-up leaves a working connection alone', async () => {
		let wake: () => void = () => undefined;
		const { socket, events } = open({
			onWake: (retry) => {
				wake = retry;
				return () => undefined;
			}
		});
		await events.next();

		wake();

		expect(socket.state).toBe('open');
	});

	test('closing leaves no timer and no listener behind', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		server.refusals.push(503);
		let listening = true;
		const { socket, events } = open({ onWake: () => () => (listening = false) });
		await events.next();
		expect(vi.getTimerCount()).toBe(1);

		socket.close();

		expect(vi.getTimerCount()).toBe(0);
		expect(listening).toBe(false);
		expect(socket.state).toBe('closed');
	});
});

describe('the back-off', () => {
	test('is reset by a connection that lasts, not by one that only opens', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		const backoff = new Backoff(() => 0);
		const reset = vi.spyOn(backoff, 'reset');
		const { events } = open({ backoff });
		await events.next();

		vi.advanceTimersByTime(4_999);
		expect(reset).not.toHaveBeenCalled();
		vi.advanceTimersByTime(1);
		expect(reset).toHaveBeenCalledOnce();
	});

	test.each([1001, 1012])('begins anew when the server says that it goes (%i)', async (code) => {
		const backoff = new Backoff(() => 0);
		const delays: number[] = [];
		const next = backoff.next.bind(backoff);
		backoff.next = () => delays[delays.push(next()) - 1] ?? NaN;
		const { events } = open({ backoff });
		for (let restart = 0; restart < 4; restart += 1) {
			expect(await events.next()).toBe('opened');
			(await server.connections.next()).close(code);
			expect(await events.next()).toBe(`interrupted ${code}`);
		}
		expect(delays).toEqual([125, 125, 125, 125]);
	});

	test('also follows a handshake that is never answered', async () => {
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		const silent = createServer();
		silent.listen(0, '127.0.0.1');
		await once(silent, 'listening');
		const { port } = silent.address() as AddressInfo;
		const { socket, events } = open({ url: () => `ws://127.0.0.1:${port}/` });
		const [peer] = await once(silent, 'connection');

		vi.advanceTimersByTime(10_000);

		expect(await events.next()).toBe('interrupted 1006');
		expect(socket.state).toBe('waiting');
		socket.close();
		peer.destroy();
		silent.close();
	});
});
