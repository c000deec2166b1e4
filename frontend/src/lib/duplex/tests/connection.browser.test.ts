import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Loads, settled } from './deferred';
import { effect, seen, TestPage, texts, until } from './page.svelte';
import { ContractServer, Line } from './server';

const server = new ContractServer();
const line = new Line(server);
const otherLine = new Line(server);
let ada: TestPage;
let bob: TestPage;

beforeEach(async () => {
	await server.start('--build', 'build-7');
	await Promise.all([line.mend(), otherLine.mend()]);
	ada = new TestPage(line, 'ada');
	bob = new TestPage(otherLine, 'bob');
});

afterEach(async () => {
	vi.useRealTimers();
	await Promise.all([line.cut(), otherLine.cut()]);
	await server.kill();
});

const state = () => ada.connection.status.state;

/** Mends the line, and does not wait for the next attempt. */
async function comeBack(): Promise<void> {
	await line.mend();
	ada.network.dispatchEvent(new Event('online'));
}

describe('a connection', () => {
	test('is idle until something asks for it', async () => {
		const states = seen(state);
		ada.connection.reconnect();
		ada.connection.close();
		await settled();
		expect(states).toEqual(['idle']);
		expect(ada.sent).toEqual([]);

		const room = ada.channel('room:lobby');
		await until(() => room.state === 'subscribed');

		expect(states).toEqual(['idle', 'connecting', 'connected']);
	});

	test('knows the build that the server serves', async () => {
		expect(ada.connection.build).toBeNull();
		await ada.ask('test.user');
		expect(ada.connection.build).toBe('build-7');

		await server.kill();
		await server.start();
		await until(() => ada.connection.build === null);
	});

	test('learns without reconnecting that the server serves another build', async () => {
		await ada.ask('test.user');
		const states = seen(state);
		await ada.ask('test.message', { json: '{"duplex":{"build":"build-8"}}' });
		await until(() => ada.connection.build === 'build-8');

		expect(ada.connection.user).toBe('ada');
		expect(states).toEqual(['connected']);
		expect(ada.attempts).toBe(1);
	});

	test('takes no other message for one about the build', async () => {
		await ada.ask('test.user');
		const builds = seen(() => ada.connection.build);
		for (const json of [
			'null',
			'"build-8"',
			'["build-8"]',
			'{"build":"build-8"}',
			'{"duplex":null}',
			'{"duplex":"build-8"}',
			'{"duplex":{}}',
			'{"duplex":{"build":null}}',
			'{"duplex":{"build":8}}',
			'{"duplex":{"build":{"build":"build-8"}}}'
		]) {
			await ada.ask('test.message', { json });
		}

		expect(builds).toEqual(['build-7']);
	});

	test('knows who the page is', async () => {
		expect(ada.connection.user).toBeNull();
		const users = seen(() => ada.connection.user);
		await ada.ask('test.user');
		expect(ada.connection.user).toBe('ada');

		ada.user = 'eve';
		ada.connection.reconnect();
		await until(() => ada.connection.user === 'eve');

		expect(users).toEqual([null, 'ada', 'eve']);
	});

	test('is tried again until there is a server, and is connecting meanwhile', async () => {
		await line.cut();
		const states = seen(state);
		const room = ada.channel('room:lobby');
		await until(() => ada.attempts === 2);

		await comeBack();
		await until(() => room.state === 'subscribed');

		expect(states).toEqual(['idle', 'connecting', 'connected']);
		expect(ada.connection.status).toEqual({ state: 'connected', recovery: null });
	});

	test('closed by the server for good stays closed until it is asked for', async () => {
		const room = ada.channel('room:lobby');
		await until(() => room.state === 'subscribed');

		await ada.ask('test.disconnect', { code: 3503 }).catch(() => undefined);
		await until(() => state() === 'closed');
		expect(ada.connection.status).toEqual({ state: 'closed', code: 3503, reason: 'asked for' });
		const later = ada.channel('room:later');
		expect(state()).toBe('closed');
		await bob.say('room:lobby', 'missed');

		ada.connection.reconnect();
		expect(state()).toBe('reconnecting');
		await until(() => texts(room).join() === 'missed' && later.state === 'subscribed');
		expect(ada.connection.status).toMatchObject({ recovery: { outcome: 'caught-up', missed: 1 } });
	});

	test('closed by the page says so, and can be had again', async () => {
		await ada.ask('test.user');

		ada.connection.close();
		expect(ada.connection.status).toEqual({
			state: 'closed',
			code: 0,
			reason: 'disconnect called'
		});

		ada.connection.reconnect();
		expect(await ada.ask('test.user')).toBe('ada');
	});

	test('that an effect replaces is replaced once', async () => {
		const room = ada.channel('room:lobby');
		await until(() => room.state === 'subscribed');
		const { attempts } = ada;

		effect(() => ada.connection.reconnect());
		await until(() => room.state === 'subscribed');
		effect(() => ada.connection.close());
		ada.connection.reconnect();
		await until(() => room.state === 'subscribed');
		await settled();

		expect(ada.attempts).toBe(attempts + 2);
		expect(state()).toBe('connected');
	});

	test('that is replaced does not wait for a channel that is refused again', async () => {
		const vault = ada.channel('closed:vault');
		await until(() => vault.state === 'unsubscribed');

		ada.connection.reconnect();
		expect(vault.refusal).toBeNull();
		await until(() => recovery()?.outcome === 'caught-up');

		expect(vault.refusal).toEqual({ code: 103, message: 'permission denied' });
	});

	test('that is replaced is reconnecting for a moment, and nothing is missed', async () => {
		const room = ada.channel('room:lobby');
		await until(() => room.state === 'subscribed');
		const states = seen(state);

		ada.connection.reconnect();
		await until(() => room.state === 'subscribed');

		expect(states).toEqual(['connected', 'reconnecting', 'connected']);
		expect(ada.connection.status).toMatchObject({ recovery: { outcome: 'caught-up', missed: 0 } });
		await bob.finds('room:lobby', 'ada');
	});
});

describe('a connection that is lost', () => {
	test('tells when the next attempt begins, and makes it then', async () => {
		await ada.ask('test.user');
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
		const now = Date.now();
		await line.cut();
		await until(() => state() === 'reconnecting');

		const { status } = ada.connection;
		if (status.state !== 'reconnecting' || status.retryAt === null) throw new Error('no retry');
		expect(status.lostAt).toBe(now);
		const delay = status.retryAt - now;
		expect(delay).toBeGreaterThanOrEqual(250);
		expect(delay).toBeLessThanOrEqual(500);
		const { attempts } = ada;
		vi.advanceTimersByTime(delay - 1);
		expect(ada.attempts).toBe(attempts);
		vi.advanceTimersByTime(1);
		expect(ada.attempts).toBe(attempts + 1);
		expect(ada.connection.status).toEqual({ state: 'reconnecting', lostAt: now, retryAt: null });
	});

	test('is tried again after delays that grow to five seconds', async () => {
		await ada.ask('test.user');
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
		vi.spyOn(Math, 'random').mockReturnValue(0.999_999);
		await line.cut();
		const delays: number[] = [];
		for (let attempt = 0; attempt < 7; attempt += 1) {
			await until(() => retryAt() !== null);
			delays.push((retryAt() ?? 0) - Date.now());
			vi.advanceTimersToNextTimer();
		}

		expect(delays).toEqual([500, 750, 1250, 2250, 4250, 5000, 5000]);
	});

	test('is tried at once when the network is back', async () => {
		await ada.ask('test.user');
		ada.network.dispatchEvent(new Event('offline'));
		expect(state()).toBe('reconnecting');

		ada.network.dispatchEvent(new Event('online'));
		expect(ada.connection.status).toMatchObject({ retryAt: null });
		await until(() => state() === 'connected');

		expect(ada.connection.status).toMatchObject({ recovery: { outcome: 'caught-up', missed: 0 } });
	});

	test('comes back with what was missed, in all channels', async () => {
		const rooms = ['room:one', 'room:two'].map((name) => ada.channel(name));
		await until(() => rooms.every(({ state }) => state === 'subscribed'));
		const outcomes = seen(() => recovery()?.outcome);
		await line.cut();
		await until(() => state() === 'reconnecting');
		await bob.say('room:one', 'a', 'b');
		await bob.say('room:two', 'c');

		await comeBack();
		await until(() => recovery()?.outcome === 'caught-up');

		expect(rooms.map(texts)).toEqual([['a', 'b'], ['c']]);
		expect(rooms.map(({ recovered }) => recovered)).toEqual([true, true]);
		expect(recovery()).toEqual({
			outcome: 'caught-up',
			away: expect.any(Number) as number,
			missed: 3
		});
		expect(outcomes).toEqual([undefined, 'pending', 'caught-up']);
	});

	test('does not wait for channels that are refused, or keep nothing, or are gone', async () => {
		ada.channel('closed:vault');
		const plain = ada.channel('plain:news');
		const gone = ada.channel('room:gone');
		await until(() => plain.state === 'subscribed' && gone.state === 'subscribed');
		await line.cut();
		await until(() => state() === 'reconnecting');
		gone.unmount();

		await comeBack();
		await until(() => recovery()?.outcome === 'caught-up');

		expect(plain.recovered).toBeNull();
	});

	test('comes back with a gap from a server that was killed', async () => {
		const room = ada.channel('room:lobby');
		const states = seen(state);
		await until(() => room.state === 'subscribed');
		await bob.say('room:lobby', 'before');
		await until(() => room.publications.length === 1);

		await server.kill();
		await until(() => state() === 'reconnecting');
		await server.start();
		ada.network.dispatchEvent(new Event('online'));
		await until(() => recovery()?.outcome === 'gap');
		await bob.say('room:lobby', 'after');
		await until(() => room.publications.length === 2);

		expect(room.recovered).toBe(false);
		expect(texts(room)).toEqual(['before', 'after']);
		expect(states).toEqual(['connecting', 'connected', 'reconnecting', 'connected']);
	});

	test('again before all is known goes on with the same account', async () => {
		const loads = new Loads();
		const slow = ada.channel('room:slow', loads);
		const room = ada.channel('room:lobby');
		(await loads.next()).answer.resolve({ position: { epoch: '', offset: 0 } });
		await until(() => slow.state === 'subscribed' && room.state === 'subscribed');

		await server.kill();
		await until(() => state() === 'reconnecting');
		const { status: lost } = ada.connection;
		await server.start();
		ada.network.dispatchEvent(new Event('online'));
		await until(() => room.recovered === false);
		await loads.next();
		expect(recovery()?.outcome).toBe('pending');
		await line.cut();
		await until(() => state() === 'reconnecting');
		expect(ada.connection.status).toMatchObject({ lostAt: 'lostAt' in lost ? lost.lostAt : NaN });
		await comeBack();
		(await loads.next()).answer.resolve({ position: { epoch: '', offset: 0 } });
		await until(() => slow.state === 'subscribed' && room.state === 'subscribed');
		await until(() => recovery()?.outcome !== 'pending');

		expect(room.recovered).toBe(true);
		expect(recovery()?.outcome).toBe('gap');
	});

	test('again has an account of its own', async () => {
		const room = ada.channel('room:lobby');
		await until(() => room.state === 'subscribed');
		await server.kill();
		await server.start();
		ada.network.dispatchEvent(new Event('online'));
		await until(() => recovery()?.outcome === 'gap');

		await line.cut();
		await until(() => state() === 'reconnecting');
		await bob.say('room:lobby', 'missed');
		await comeBack();
		await until(() => recovery()?.outcome === 'caught-up');

		expect(recovery()?.missed).toBe(1);
	});
});

function recovery() {
	const { status } = ada.connection;
	return status.state === 'connected' ? status.recovery : null;
}

function retryAt(): number | null {
	const { status } = ada.connection;
	return status.state === 'reconnecting' ? status.retryAt : null;
}
