import { flushSync } from 'svelte';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { CallError } from '../call-error';
import type { Publication } from '../types';
import { settled } from './deferred';
import { effect, SwitchedName, TestPage, texts, until, type Look, type Said } from './page.svelte';
import { ContractServer, Line } from './server';

const server = new ContractServer();
const line = new Line(server);
let ada: TestPage;
let bob: TestPage;

beforeAll(async () => {
	await server.start();
	await line.mend();
});

beforeEach(() => {
	ada = new TestPage(line, 'ada');
	bob = new TestPage(line, 'bob');
});

afterEach(() => vi.restoreAllMocks());

afterAll(async () => {
	await line.cut();
	await server.kill();
});

describe('the types of a channel', () => {
	test('are those of the server: the page is let in, also when it comes back', async () => {
		const known = await server.fingerprints();
		const page = new TestPage(line, 'ada', (name) => known[`${name.split(':')[0] ?? ''}:`]);
		const room = page.channel('room:types');
		await until(() => room.state === 'subscribed');
		expect(page.sent.join()).toContain(`"types":"${known['room:'] ?? ''}"`);

		page.connection.reconnect();
		await until(() => room.state === 'subscribing');
		await until(() => room.state === 'subscribed');
	});

	test('are others: the page is refused, and told so', async () => {
		const page = new TestPage(line, 'ada', () => '0123456789abcdef');
		const room = page.channel('room:types');
		await until(() => room.state === 'unsubscribed');
		expect(room.refusal?.code).toBe(409);
	});
});

describe('publications', () => {
	test('of the server have a place in the stream and nobody who published them', async () => {
		const room = ada.channel('room:server');
		expect(room.state).toBe('subscribing');
		await until(() => room.state === 'subscribed');

		await bob.say('room:server', 'one', 'two');
		await until(() => room.publications.length === 2);

		expect(room.publications).toEqual([
			{ data: { text: 'one' }, offset: 1, info: null },
			{ data: { text: 'two' }, offset: 2, info: null }
		]);
	});

	test('of a client say who published them', async () => {
		const room = ada.channel('room:client');
		const bobs = bob.channel('room:client');
		await until(() => room.state === 'subscribed');

		await bobs.publish({ text: 'hello' });
		await until(() => room.publications.length === 1);

		expect(room.publications[0]?.info).toEqual({
			client: expect.any(String) as string,
			user: 'bob',
			info: { color: expect.stringMatching(/^hsl/) as string }
		});
	});

	test('have no place where the channel keeps none', async () => {
		const room = ada.channel('plain:news');
		await until(() => room.state === 'subscribed');

		await bob.say('plain:news', 'one');
		await until(() => room.publications.length === 1);

		expect(room.publications).toEqual([{ data: { text: 'one' }, offset: null, info: null }]);
	});

	test('are kept up to a number', async () => {
		const room = ada.channel('room:kept', { keep: 2 });
		await until(() => room.state === 'subscribed');

		await bob.say('room:kept', 'one', 'two', 'three');
		await until(() => texts(room).includes('three'));

		expect(texts(room)).toEqual(['two', 'three']);
	});

	test('are told one by one and in order, and one that its listener chokes on is reported', async () => {
		const told: Publication<Said, Look>[] = [];
		const reported = vi.spyOn(console, 'error').mockReturnValue();
		const room = ada.channel('room:told', {
			received: (publication) => {
				told.push(publication);
				if (publication.data.text === 'two') throw new Error('choked');
			}
		});
		await until(() => room.state === 'subscribed');

		await bob.say('room:told', 'one', 'two', 'three');
		await until(() => room.publications.length === 3);

		expect(told).toEqual(room.publications);
		expect(reported).toHaveBeenCalledExactlyOnceWith(new Error('choked'));
		expect(ada.connection.status.state).toBe('connected');
	});
});

test('a channel asks for what it misses to be kept, where the server leaves the choice', async () => {
	const room = ada.channel('plain:choice');
	await until(() => room.state === 'subscribed');

	expect(ada.sent.join()).toContain('"recoverable":true');
});

describe('publishing', () => {
	test('waits until the channel is subscribed', async () => {
		const room = ada.channel('room:early');

		await room.publish({ text: 'early' });

		expect(room.state).toBe('subscribed');
		await until(() => texts(room).join() === 'early');
	});

	test('in an effect happens once', async () => {
		const name = new SwitchedName('room:effect-one');
		const room = ada.channel(() => name.current);
		let times = 0;
		effect(() => {
			times += 1;
			void room.publish({ text: 'hello' }).catch(() => undefined);
		});
		await until(() => texts(room).length === 1);

		flushSync(() => (name.current = 'room:effect-two'));
		await until(() => room.state === 'subscribed');

		expect(times).toBe(1);
	});

	test('fails as a call does', async () => {
		const room = ada.channel('plain:mute');

		const error: unknown = await room.publish({ text: 'no' }).catch((error: unknown) => error);

		expect(error).toBeInstanceOf(CallError);
		expect(error).toMatchObject({ call: 'plain:mute', reason: { type: 'denied' } });
	});

	test('fails with the refusal where the channel was refused', async () => {
		const room = ada.channel('closed:vault');
		await until(() => room.state === 'unsubscribed');

		await expect(room.publish({ text: 'no' })).rejects.toMatchObject({
			reason: { type: 'denied' }
		});
	});

	test('fails once the component is unmounted', async () => {
		const room = ada.channel('room:left');
		await until(() => room.state === 'subscribed');
		room.unmount();

		await expect(room.publish({ text: 'no' })).rejects.toMatchObject({
			reason: { type: 'failed' }
		});
	});
});

describe('a refusal', () => {
	test('says why, and leaves other channels alone', async () => {
		const vault = ada.channel('closed:vault', { presence: true });
		const room = ada.channel('room:open');

		await until(() => vault.state === 'unsubscribed' && room.state === 'subscribed');

		expect(vault.refusal).toEqual({ code: 103, message: 'permission denied' });
		expect(room.refusal).toBeNull();
	});

	test('may come later, when the server takes the subscription back', async () => {
		const room = ada.channel('room:expelled', { presence: true });
		await until(() => room.members.length === 1);

		await bob.ask('test.expel', { room: 'expelled', user: 'ada' });
		await until(() => room.state === 'unsubscribed');

		expect(room.refusal).toEqual({ code: 2000, message: 'server unsubscribe' });
		expect(room.members).toEqual([]);
	});

	test('is asked again about by a component that takes the place of one that was refused', async () => {
		const commands = ada.commands('subscribe');
		const before = ada.channel('closed:vault');
		await until(() => before.state === 'unsubscribed');

		before.unmount();
		const after = ada.channel('closed:vault');
		expect(after.state).toBe('subscribing');
		await until(() => after.state === 'unsubscribed');

		expect(commands()).toBe(2);
	});

	test('is asked again about by reconnecting', async () => {
		const room = ada.channel('room:expelled-once');
		await until(() => room.state === 'subscribed');
		await bob.ask('test.expel', { room: 'expelled-once', user: 'ada' });
		await until(() => room.refusal !== null);

		ada.connection.reconnect();
		await until(() => room.state === 'subscribed');

		expect(room.refusal).toBeNull();
	});
});

describe('components that name the same channel', () => {
	test('share one subscription, and what it has received', async () => {
		const first = ada.channel('room:shared');
		await until(() => first.state === 'subscribed');
		await bob.say('room:shared', 'one');
		await until(() => first.publications.length === 1);

		const told: string[] = [];
		const second = ada.channel('room:shared', { received: ({ data }) => told.push(data.text) });
		expect(second.state).toBe('subscribed');
		expect(second.publications).toBe(first.publications);
		await bob.say('room:shared', 'two');
		await until(() => second.publications.length === 2);

		expect(told).toEqual(['two']);
		await bob.finds('room:shared', 'ada');
	});

	test('end it with the last of them', async () => {
		const [first, second] = [ada.channel('room:last'), ada.channel('room:last')];
		await until(() => first.state === 'subscribed');

		first.unmount();
		await settled();
		expect(second.state).toBe('subscribed');
		await bob.finds('room:last', 'ada');
		second.unmount();
		await settled();

		await bob.finds('room:last');
		expect(ada.connection.channels.wanted).toEqual([]);
	});

	test('find it standing when one takes the place of another', async () => {
		const commands = ada.commands('subscribe');
		const before = ada.channel('room:swap', { keep: 1 });
		await until(() => before.state === 'subscribed');
		await bob.say('room:swap', 'one', 'two');
		await until(() => texts(before).join() === 'two');

		before.unmount();
		const after = ada.channel('room:swap', { keep: 2 });
		await settled();
		expect(after.state).toBe('subscribed');
		expect(texts(after)).toEqual(['two']);
		await bob.say('room:swap', 'three');
		await until(() => texts(after).join() === 'two,three');

		expect(commands()).toBe(1);
	});

	test('begin a new one when they come later', async () => {
		const before = ada.channel('room:later');
		await until(() => before.state === 'subscribed');
		await bob.say('room:later', 'one');
		await until(() => before.publications.length === 1);
		before.unmount();
		await settled();

		const after = ada.channel('room:later');
		expect(after.state).toBe('subscribing');
		await until(() => after.state === 'subscribed');

		expect(texts(after)).toEqual([]);
		await bob.say('room:later', 'two');
		await until(() => texts(after).join() === 'two');
	});

	test('get presence whoever comes first', async () => {
		const first = ada.channel('room:first');
		await until(() => first.state === 'subscribed');
		const bobs = bob.channel('room:first');
		await until(() => bobs.state === 'subscribed');

		const second = ada.channel('room:first', { presence: true });
		await until(() => second.users.toSorted().join() === 'ada,bob');
		bobs.unmount();
		await until(() => second.users.join() === 'ada');

		expect(first.members).toEqual([]);
		expect(ada.connection.channels.wanted).toEqual(['room:first']);
	});

	test('miss nothing when one of them brings presence', async () => {
		const told: string[] = [];
		const first = ada.channel('room:first-told', {
			received: ({ data }) => {
				told.push(data.text);
				// The next one is on its way already.
				if (data.text === 'one') ada.channel('room:first-told', { presence: true });
			}
		});
		await until(() => first.state === 'subscribed');
		const commands = ada.commands('subscribe');

		await Promise.all(['one', 'two', 'three'].map((text) => bob.say('room:first-told', text)));
		await until(() => first.publications.length === 3);

		expect(told).toEqual(['one', 'two', 'three']);
		expect(texts(first)).toEqual(told);
		expect(commands()).toBe(1);
	});

	test('get presence without loading again what they have loaded', async () => {
		const load = vi.fn(() => Promise.resolve({ position: { epoch: '', offset: 0 } }));
		const first = ada.channel('room:first-loads', { load });
		await until(() => first.state === 'subscribed');

		const second = ada.channel('room:first-loads', { presence: true });
		await until(() => second.users.join() === 'ada' && first.state === 'subscribed');

		expect(load).toHaveBeenCalledOnce();
	});

	test('do not lose what one of them is about to publish when another wants presence', async () => {
		const first = ada.channel('room:first-publishes');
		const published = first.publish({ text: 'early' });
		ada.channel('room:first-publishes', { presence: true });

		await published;

		await until(() => texts(first).join() === 'early');
	});

	test('each keep as many as they want, whoever comes first', async () => {
		const few = ada.channel('room:few', { keep: 1 });
		const none = ada.channel('room:few', { keep: 0 });
		const many = ada.channel('room:few', { keep: 3 });
		await until(() => many.state === 'subscribed');

		await bob.say('room:few', 'one', 'two', 'three', 'four');
		await until(() => texts(many).join() === 'two,three,four');

		expect([texts(few), texts(none)]).toEqual([['four'], []]);
		many.unmount();
		await settled();
		expect(texts(ada.channel('room:few', { keep: 3 }))).toEqual(['four']);
	});

	test('get presence by one that takes the place of one without', async () => {
		const before = ada.channel('room:swap-presence', { keep: 1 });
		await until(() => before.state === 'subscribed');

		before.unmount();
		const after = ada.channel('room:swap-presence', { presence: true });

		await until(() => after.users.join() === 'ada');
		await bob.finds('room:swap-presence', 'ada');
	});
});

describe('a name that changes', () => {
	test('moves the component to the other channel', async () => {
		const name = new SwitchedName('room:here');
		const room = ada.channel(() => name.current);
		await until(() => room.state === 'subscribed');
		await bob.say('room:here', 'here');
		await until(() => texts(room).join() === 'here');

		flushSync(() => (name.current = 'room:there'));
		expect(room.name).toBe('room:there');
		expect(room.state).toBe('subscribing');
		expect(room.publications).toEqual([]);
		await until(() => room.state === 'subscribed');
		await bob.say('room:here', 'lost');
		await bob.say('room:there', 'there');

		await until(() => texts(room).join() === 'there');
		await bob.finds('room:here');
		expect(ada.connection.channels.wanted).toEqual(['room:there']);
	});

	test('to the same value changes nothing', async () => {
		const name = new SwitchedName('room:same');
		const load = vi.fn(() => Promise.resolve({ position: { epoch: '', offset: 0 } }));
		const room = ada.channel(() => name.current.toLowerCase(), { load });
		await until(() => room.state === 'subscribed');

		flushSync(() => (name.current = 'ROOM:SAME'));
		await settled();

		expect(room.state).toBe('subscribed');
		expect(load).toHaveBeenCalledOnce();
	});

	test('there and back in one tick leaves the subscription as it was', async () => {
		const name = new SwitchedName('room:there-and-back');
		const room = ada.channel(() => name.current);
		await until(() => room.state === 'subscribed');
		const commands = ada.commands('subscribe');

		flushSync(() => (name.current = 'room:elsewhere'));
		flushSync(() => (name.current = 'room:there-and-back'));
		await settled();

		expect(room.state).toBe('subscribed');
		expect(ada.connection.channels.wanted).toEqual(['room:there-and-back']);
		expect(commands()).toBe(1);
	});
});
