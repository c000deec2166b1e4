import { flushSync } from 'svelte';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { Presence } from '../presence';
import type { Member } from '../types';
import { Deferred } from './deferred';
import { seen, TestPage, until } from './page.svelte';
import { ContractServer, Line } from './server';

const member = (client: string, user = client): Member => ({ client, user, info: null });
const clients = (presence: Presence) => presence.members.map(({ client }) => client);

describe('the list of who is there', () => {
	test('is what the server answered', async () => {
		const presence = new Presence();
		presence.joined(member('gone'));

		await presence.refresh(() => Promise.resolve([member('a'), member('b')]));

		expect(clients(presence)).toEqual(['a', 'b']);
	});

	test('follows joins and leaves', () => {
		const presence = new Presence();
		const shown = seen(() => clients(presence));

		presence.joined(member('a'));
		flushSync();
		presence.joined(member('b'));
		flushSync();
		presence.left('a');
		flushSync();

		expect(shown).toEqual([[], ['a'], ['a', 'b'], ['b']]);
	});

	test('has those who joined after the server made the answer, and before it came', async () => {
		const presence = new Presence();
		const answer = new Deferred<Member[]>();
		const refreshed = presence.refresh(() => answer.promise);

		presence.joined(member('late'));
		presence.left('left');
		answer.resolve([member('early'), member('left')]);
		await refreshed;

		expect(clients(presence)).toEqual(['early', 'late']);
	});

	test('has nobody twice who is in the answer and joins too', async () => {
		const presence = new Presence();
		const answer = new Deferred<Member[]>();
		const refreshed = presence.refresh(() => answer.promise);

		presence.joined(member('a'));
		answer.resolve([member('a')]);
		await refreshed;

		expect(clients(presence)).toEqual(['a']);
	});

	test('has somebody who left and came back while the answer was under way', async () => {
		const presence = new Presence();
		const answer = new Deferred<Member[]>();
		const refreshed = presence.refresh(() => answer.promise);

		presence.left('a');
		presence.joined(member('a'));
		answer.resolve([]);
		await refreshed;

		expect(clients(presence)).toEqual(['a']);
	});

	test('is not taken from an answer to an earlier question', async () => {
		const presence = new Presence();
		const [first, second] = [new Deferred<Member[]>(), new Deferred<Member[]>()];
		const refreshed = [
			presence.refresh(() => first.promise),
			presence.refresh(() => second.promise)
		];

		presence.joined(member('late'));
		second.resolve([member('new')]);
		first.resolve([member('old')]);
		await Promise.all(refreshed);

		expect(clients(presence)).toEqual(['new', 'late']);
	});

	test('is taken from the answer to a later question when an earlier one fails', async () => {
		const presence = new Presence();
		const [first, second] = [new Deferred<Member[]>(), new Deferred<Member[]>()];
		const failed = presence.refresh(() => first.promise);
		const refreshed = presence.refresh(() => second.promise);

		first.reject(new Error('no answer'));
		await expect(failed).rejects.toThrow('no answer');
		presence.joined(member('late'));
		second.resolve([member('early')]);
		await refreshed;

		expect(clients(presence)).toEqual(['early', 'late']);
	});

	test('is not taken from an answer that comes after the end', async () => {
		const presence = new Presence();
		const answer = new Deferred<Member[]>();
		const refreshed = presence.refresh(() => answer.promise);

		presence.clear();
		answer.resolve([member('a')]);
		await refreshed;

		expect(clients(presence)).toEqual([]);
	});

	test('stays as it is, and goes on, when there is no answer', async () => {
		const presence = new Presence();
		presence.joined(member('a'));
		const refreshed = presence.refresh(() => Promise.reject(new Error('no answer')));
		presence.joined(member('b'));

		await expect(refreshed).rejects.toThrow('no answer');
		presence.left('a');

		expect(clients(presence)).toEqual(['b']);
	});
});

describe('the members of a channel', () => {
	const server = new ContractServer();
	const line = new Line(server);
	/** Another way to the same server, which stays when the first is cut. */
	const otherLine = new Line(server);

	beforeAll(async () => {
		await server.start();
		await Promise.all([line.mend(), otherLine.mend()]);
	});

	afterEach(() => {
		vi.useRealTimers();
		vi.restoreAllMocks();
	});

	afterAll(async () => {
		await Promise.all([line.cut(), otherLine.cut()]);
		await server.kill();
	});

	test('are those who were there before, who come, and who have not gone', async () => {
		const ada = new TestPage(line, 'ada').channel('room:people', { presence: true });
		await until(() => ada.users.join() === 'ada');

		const bobs = new TestPage(otherLine, 'bob');
		const bob = bobs.channel('room:people', { presence: true });
		await until(() => ada.users.join() === 'ada,bob' && bob.members.length === 2);
		const [first] = ada.members;
		expect(first).toEqual({
			client: expect.any(String) as string,
			user: 'ada',
			info: { color: expect.stringMatching(/^hsl/) as string }
		});

		bobs.close();
		await until(() => ada.users.join() === 'ada');
	});

	test('are connections, of which one user may have several', async () => {
		const pages = [line, otherLine].map((line) => new TestPage(line, 'ada'));
		const [ada] = pages.map((page) => page.channel('room:tabs', { presence: true }));
		new TestPage(line, '').channel('room:tabs');

		await until(() => ada?.members.length === 3);

		expect(ada?.users).toEqual(['ada']);
	});

	test('are asked for anew after a loss', async () => {
		const page = new TestPage(line, 'ada');
		const ada = page.channel('room:loss', { presence: true });
		const bobs = new TestPage(otherLine, 'bob');
		const bob = bobs.channel('room:loss', { presence: true });
		await until(() => ada.users.length === 2 && bob.users.length === 2);

		await line.cut();
		await until(() => bob.users.join() === 'bob' && ada.state === 'subscribing');
		expect(ada.users).toHaveLength(2);
		new TestPage(otherLine, 'eve').channel('room:loss');
		await until(() => bob.users.join() === 'bob,eve');
		bobs.close();
		await line.mend();
		page.network.dispatchEvent(new Event('online'));

		await until(() => ada.users.toSorted().join() === 'ada,eve');
	});

	test('go on for those who stay when the first component has gone', async () => {
		const page = new TestPage(line, 'ada');
		const first = page.channel('room:stay', { presence: true });
		const second = page.channel('room:stay', { presence: true });
		await until(() => second.users.join() === 'ada');

		first.unmount();
		new TestPage(otherLine, 'bob').channel('room:stay');

		await until(() => second.users.join() === 'ada,bob');
	});

	test('are nobody unless asked for', async () => {
		const ada = new TestPage(line, 'ada').channel('room:unasked');
		await until(() => ada.state === 'subscribed');
		const bob = new TestPage(otherLine, 'bob').channel('room:unasked', { presence: true });
		await until(() => bob.members.length === 2);

		expect(ada.members).toEqual([]);
		expect(ada.users).toEqual([]);
	});

	test('are asked for again when the answer is lost', async () => {
		const bob = new TestPage(otherLine, 'bob').channel('room:lost-answer');
		await until(() => bob.state === 'subscribed');
		const page = new TestPage(line, 'ada');
		await page.ask('test.user');
		const asked = new Deferred<undefined>();
		page.isLost = (message) => {
			if (!message.includes('"presence":{')) return false;
			page.isLost = () => false;
			asked.resolve(undefined);
			return true;
		};
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		const ada = page.channel('room:lost-answer', { presence: true });
		await asked.promise;
		expect(ada.users).not.toContain('bob');

		await vi.advanceTimersByTimeAsync(5_001);
		await vi.advanceTimersByTimeAsync(250);

		await until(() => ada.users.toSorted().join() === 'ada,bob');
		expect(ada.state).toBe('subscribed');
	});

	test('are nobody where the server does not say, and that is said once', async () => {
		const warning = new Deferred<string>();
		vi.spyOn(console, 'warn').mockImplementation(warning.resolve);
		const ada = new TestPage(line, 'ada').channel('plain:people', { presence: true });

		expect(await warning.promise).toBe(
			'plain:people: the server does not say who is there: not available (108)'
		);
		expect(ada.state).toBe('subscribed');
		expect(ada.members).toEqual([]);
	});
});
