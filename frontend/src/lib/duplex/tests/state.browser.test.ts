/** Channels whose components load a state. */
import { flushSync } from 'svelte';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { CallError } from '../call-error';
import type { Loadable, Position } from '../types';
import { Deferred, Loads, settled } from './deferred';
import { SwitchedName, TestPage, texts, until } from './page.svelte';
import { ContractServer, Line } from './server';

const at = (offset: number): Loadable => ({ position: { epoch: 'e', offset } });

const server = new ContractServer();
const line = new Line(server);
const otherLine = new Line(server);
let ada: TestPage;
let bob: TestPage;

beforeAll(async () => {
	await server.start();
	await Promise.all([line.mend(), otherLine.mend()]);
});

beforeEach(() => {
	ada = new TestPage(line, 'ada');
	bob = new TestPage(otherLine, 'bob');
});

afterEach(() => vi.restoreAllMocks());

afterAll(async () => {
	await Promise.all([line.cut(), otherLine.cut()]);
	await server.kill();
});

/** A state that is nothing but a position. */
async function where(page: TestPage, channel: string): Promise<Loadable> {
	return { position: (await page.ask('test.position', { channel })) as Position };
}

/** A component that loads the position of a channel, and nothing else. */
function component(page: TestPage, name: string | (() => string)) {
	const channel = typeof name === 'function' ? name : () => name;
	const told: string[] = [];
	let loads = 0;
	const room = page.channel(channel, {
		load: async () => {
			loads += 1;
			return await where(page, channel());
		},
		received: ({ data }) => told.push(data.text)
	});
	return { room, told, loads: () => loads };
}

test('is subscribed when the state is loaded, and delivers what is behind it', async () => {
	await bob.say('room:loaded', 'before');
	const [read, gate] = [new Deferred<undefined>(), new Deferred<undefined>()];
	const room = ada.channel('room:loaded', {
		load: async () => {
			const state = await where(ada, 'room:loaded');
			read.resolve(undefined);
			await gate.promise;
			return state;
		}
	});
	const witness = ada.channel('room:loaded');
	await read.promise;
	await bob.say('room:loaded', 'meanwhile');
	await until(() => witness.publications.length === 1);
	expect(room.state).toBe('subscribing');
	expect(room.publications).toEqual([]);

	gate.resolve(undefined);
	await until(() => room.state === 'subscribed');
	await bob.say('room:loaded', 'after');
	await until(() => room.publications.length === 2);

	expect(texts(room)).toEqual(['meanwhile', 'after']);
});

test('loads once for each component, also when the channel stands already', async () => {
	const first = component(ada, 'room:both');
	await until(() => first.room.state === 'subscribed');
	await bob.say('room:both', 'one');
	await until(() => first.room.publications.length === 1);

	const second = component(ada, 'room:both');
	expect(second.room.state).toBe('subscribing');
	await until(() => second.room.state === 'subscribed');
	await bob.say('room:both', 'two');
	await until(() => second.room.publications.length === 1);

	expect([first.told, second.told]).toEqual([['one', 'two'], ['two']]);
	expect([texts(first.room), texts(second.room)]).toEqual([['one', 'two'], ['two']]);
	expect([first.loads(), second.loads()]).toEqual([1, 1]);
});

test('loads for a component that takes the place of another', async () => {
	const before = component(ada, 'room:swapped');
	await until(() => before.room.state === 'subscribed');

	before.room.unmount();
	const after = component(ada, 'room:swapped');
	await until(() => after.room.state === 'subscribed');

	expect(after.loads()).toBe(1);
});

test('does not load again when what was missed came one by one', async () => {
	const { room, told, loads } = component(ada, 'room:recovered');
	await until(() => room.state === 'subscribed');

	await line.cut();
	await until(() => room.state === 'subscribing');
	await bob.say('room:recovered', 'one', 'two');
	await line.mend();
	ada.network.dispatchEvent(new Event('online'));
	await until(() => room.publications.length === 2);

	expect(told).toEqual(['one', 'two']);
	expect(loads()).toBe(1);
	expect(room.recovered).toBe(true);
});

test('loads again when more was missed than is kept', async () => {
	const { room, loads } = component(ada, 'room:overrun');
	await until(() => room.state === 'subscribed');
	await bob.say('room:overrun', 'seen');
	await until(() => room.publications.length === 1);

	await line.cut();
	await until(() => room.state === 'subscribing');
	for (let count = 0; count < 101; count += 1) await bob.say('room:overrun', String(count));
	await line.mend();
	ada.network.dispatchEvent(new Event('online'));
	await until(() => room.state === 'subscribed' && loads() === 2);
	await bob.say('room:overrun', 'next');
	await until(() => room.publications.length > 0);

	expect(texts(room)).toEqual(['next']);
	expect(room.recovered).toBe(false);
	expect(ada.connection.status).toMatchObject({ recovery: { outcome: 'caught-up', missed: 0 } });
});

test('loads again after every loss where the channel keeps nothing', async () => {
	const room = ada.channel('plain:state', {
		load: () => Promise.resolve(at(loads.push(1)))
	});
	const loads: number[] = [];
	await until(() => room.state === 'subscribed');

	await line.cut();
	await until(() => room.state === 'subscribing');
	await line.mend();
	ada.network.dispatchEvent(new Event('online'));
	await until(() => room.state === 'subscribed');

	expect(loads).toHaveLength(2);
	expect(room.recovered).toBeNull();
});

test('begins a load anew that a loss has interrupted', async () => {
	const loads = new Loads();
	const room = ada.channel('room:interrupted', loads);
	const { signal } = await loads.next();

	await line.cut();
	await until(() => ada.connection.status.state === 'reconnecting');
	expect(signal.aborted).toBe(true);
	await line.mend();
	ada.network.dispatchEvent(new Event('online'));
	(await loads.next()).answer.resolve(at(0));

	await until(() => room.state === 'subscribed');
});

test('gives a load up when its name changes or its component goes', async () => {
	const loads = new Loads();
	const name = new SwitchedName('room:name-one');
	const room = ada.channel(() => name.current, loads);
	const first = await loads.next();

	flushSync(() => (name.current = 'room:name-two'));
	expect(first.signal.aborted).toBe(true);
	const second = await loads.next();
	expect(second.signal.aborted).toBe(false);
	room.unmount();

	expect(second.signal.aborted).toBe(true);
});

test('holds an account back until the state is loaded again', async () => {
	const loads = new Loads();
	const room = ada.channel('room:account', loads);
	(await loads.next()).answer.resolve(at(0));
	await until(() => room.state === 'subscribed');

	await line.cut();
	await until(() => room.state === 'subscribing');
	for (let count = 0; count < 101; count += 1) await bob.say('room:account', String(count));
	await line.mend();
	ada.network.dispatchEvent(new Event('online'));
	const { answer } = await loads.next();
	await settled();
	expect(ada.connection.status).toMatchObject({ recovery: { outcome: 'pending' } });
	answer.resolve(at(101));

	await until(() => room.state === 'subscribed');
	expect(ada.connection.status).toMatchObject({ recovery: { outcome: 'caught-up' } });
});

test('gives the component the state before what came meanwhile, and only if it is wanted', async () => {
	const told: string[] = [];
	const loads = new Loads();
	const name = new SwitchedName('room:wanted-one');
	const room = ada.channel(() => name.current, {
		load: loads.load,
		loaded: ({ position }) => told.push(`state ${position.offset}`),
		received: ({ data }) => told.push(data.text)
	});
	const first = await loads.next();
	flushSync(() => (name.current = 'room:wanted-two'));
	const second = await loads.next();
	const witness = ada.channel('room:wanted-two');
	await bob.say('room:wanted-two', 'meanwhile');
	await until(() => witness.publications.length === 1);

	first.answer.resolve(at(5));
	await settled();
	expect(told).toEqual([]);
	second.answer.resolve(at(0));
	await until(() => room.state === 'subscribed');

	expect(told).toEqual(['state 0', 'meanwhile']);
});

test('loads in a channel that it moves to while the connection is lost', async () => {
	const name = new SwitchedName('room:moved-one');
	const witness = ada.channel('room:moved-two');
	const { room, loads } = component(ada, () => name.current);
	await until(() => room.state === 'subscribed' && witness.state === 'subscribed');

	await line.cut();
	await until(() => room.state === 'subscribing');
	flushSync(() => (name.current = 'room:moved-two'));
	await line.mend();
	ada.network.dispatchEvent(new Event('online'));
	await until(() => room.state === 'subscribed');

	expect(room.recovered).toBe(true);
	expect(loads()).toBe(2);
});

test('says why a load fails, does not catch up for ever, and goes on trying', async () => {
	vi.spyOn(console, 'warn').mockReturnValue();
	const loads = new Loads();
	const room = ada.channel('plain:problem', loads);
	(await loads.next()).answer.resolve(at(0));
	await until(() => room.state === 'subscribed');
	expect(room.problem).toBeNull();

	await line.cut();
	await until(() => room.state === 'subscribing');
	await line.mend();
	ada.network.dispatchEvent(new Event('online'));
	const { answer } = await loads.next();
	await ada.ask('test.fail').catch((error: unknown) => answer.reject(error));
	await until(() => room.problem !== null);

	expect(room.problem).toEqual({ type: 'failed', code: 100, message: 'internal server error' });
	expect(room.state).toBe('subscribing');
	expect(ada.connection.status).toMatchObject({ recovery: { outcome: 'gap' } });
	(await loads.next()).answer.resolve(at(0));
	await until(() => room.state === 'subscribed');
	expect(room.problem).toBeNull();
});

test('loads what was refused again on another connection, and not before', async () => {
	vi.spyOn(console, 'warn').mockReturnValue();
	const load = vi.fn(async () => {
		await ada.ask('test.user', null, '0123456789abcdef');
		return at(0);
	});
	const room = ada.channel('room:old', { load });
	await until(() => room.problem?.type === 'changed');
	expect(load).toHaveBeenCalledOnce();

	load.mockImplementation(() => Promise.resolve(at(0)));
	ada.connection.reconnect();
	await until(() => room.state === 'subscribed');

	expect(load).toHaveBeenCalledTimes(2);
	expect(room.problem).toBeNull();
});

test('has no problem in another channel', async () => {
	vi.spyOn(console, 'warn').mockReturnValue();
	const loads = new Loads();
	const name = new SwitchedName('room:problem-one');
	const room = ada.channel(() => name.current, loads);
	const { answer } = await loads.next();
	answer.reject(new CallError('load', { type: 'denied' }, ''));
	await until(() => room.problem !== null);

	flushSync(() => (name.current = 'room:problem-two'));

	expect(room.problem).toBeNull();
});
