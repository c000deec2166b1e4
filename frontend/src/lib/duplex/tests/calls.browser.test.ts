import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { CallError } from '../call-error';
import { seen, TestPage, until } from './page.svelte';
import { ContractServer, Line } from './server';

const server = new ContractServer();
const line = new Line(server);

beforeAll(async () => {
	await server.start();
	await line.mend();
});

afterEach(() => vi.useRealTimers());

afterAll(async () => {
	await line.cut();
	await server.kill();
});

/** Something that JSON has no form for. */
function cycle(): unknown {
	const object: Record<string, unknown> = {};
	object['self'] = object;
	return object;
}

/** What a call that must fail fails with. */
async function failure(asked: Promise<unknown>): Promise<CallError> {
	const error: unknown = await asked.then(
		() => null,
		(error: unknown) => error
	);
	expect(error).toBeInstanceOf(CallError);
	return error as CallError;
}

describe('a call', () => {
	test('opens the connection and brings the reply', async () => {
		const page = new TestPage(line);
		expect(page.connection.status).toEqual({ state: 'idle' });

		expect(await page.ask('test.echo', { text: 'ä', number: -5 })).toEqual({
			text: 'ä',
			number: -5
		});

		expect(page.connection.status).toEqual({ state: 'connected', recovery: null });
	});

	test('takes nothing and brings null', async () => {
		expect(await new TestPage(line, 'ada').ask('test.user')).toBe('ada');
		expect(await new TestPage(line).ask('test.wait', { millis: 0 })).toBeNull();
	});

	test('is answered when its types are those of the server', async () => {
		const { 'test.user': fingerprint } = await server.fingerprints();
		expect(fingerprint).toMatch(/^[0-9a-f]{16}$/);

		expect(await new TestPage(line).ask('test.user', null, fingerprint)).toBe('ada');
	});

	test('made while the connection is lost is answered when it is back', async () => {
		const page = new TestPage(line);
		await page.ask('test.user');
		await line.cut();
		await until(() => page.connection.status.state === 'reconnecting');

		const asked = page.ask('test.user');
		await line.mend();
		page.network.dispatchEvent(new Event('online'));

		expect(await asked).toBe('ada');
	});
});

describe('a page that is another user when the connection is back', () => {
	/** A page that has lost its connection, and will be Bob. */
	async function lost(): Promise<TestPage> {
		const page = new TestPage(line, 'ada');
		expect(await page.ask('test.user')).toBe('ada');
		await line.cut();
		await until(() => page.connection.status.state === 'reconnecting');
		page.user = 'bob';
		return page;
	}

	async function comeBack(page: TestPage): Promise<void> {
		await line.mend();
		page.network.dispatchEvent(new Event('online'));
	}

	test('does not do what the former one asked for', async () => {
		const page = await lost();
		const room = page.channel('room:another');
		const [asked, published] = [
			failure(page.ask('test.user')),
			failure(room.publish({ text: 'as ada' }))
		];
		await comeBack(page);

		expect((await asked).reason).toEqual({ type: 'signed_out' });
		expect((await published).reason).toEqual({ type: 'signed_out' });
		expect(page.connection.user).toBe('bob');
		expect(await page.ask('test.user')).toBe('bob');
		await room.publish({ text: 'as bob' });
		await until(() => room.publications.length > 0);
		expect(room.publications.map(({ data }) => data.text)).toEqual(['as bob']);
	});

	test('does what was asked before it had been anybody', async () => {
		await line.cut();
		const page = new TestPage(line, 'ada');
		const asked = page.ask('test.user');
		await until(() => page.attempts > 0);
		page.user = 'bob';
		await comeBack(page);

		expect(await asked).toBe('bob');
	});

	test('does what was asked after it asked for that itself', async () => {
		const page = new TestPage(line, 'ada');
		await page.ask('test.user');
		page.user = 'bob';
		page.connection.reconnect();

		expect(await page.ask('test.user')).toBe('bob');
	});
});

test('a call may begin where no state may change, as in a template', async () => {
	const page = new TestPage(line);

	const [asked] = seen(() => page.ask('test.user'));

	expect(await asked).toBe('ada');
});

describe('a call fails', () => {
	test('with its own error', async () => {
		const error = await failure(new TestPage(line).ask('test.refuse', { limit: 2000 }));

		expect(error.reason).toEqual({ type: 'too_long', limit: 2000 });
		expect(error.call).toBe('test.refuse');
		expect(error.message).toBe('test.refuse: refused: too_long');
	});

	test('as malformed, with words about the field', async () => {
		const asked = new TestPage(line).ask('test.echo', { text: 5, number: 1 });

		expect((await failure(asked)).reason).toEqual({
			type: 'malformed',
			message: expect.stringContaining('text') as unknown
		});
	});

	test.each([
		['a bigint', { text: 'a', number: 5n }, /BigInt/],
		['a cycle', cycle(), /circular/]
	])('as malformed for what cannot be JSON: %s', async (_, params, words) => {
		const page = new TestPage(line);
		await page.ask('test.user');

		expect((await failure(page.ask('test.echo', params))).reason).toEqual({
			type: 'malformed',
			message: expect.stringMatching(words) as unknown
		});
		expect(await page.ask('test.user')).toBe('ada');
	});

	test('as malformed when it is larger than the server takes, and the connection stays', async () => {
		const page = new TestPage(line);
		const states = seen(() => page.connection.status.state);
		await page.ask('test.user');
		const room = page.channel('room:large');
		await until(() => room.state === 'subscribed');

		const text = 'ä'.repeat(600 * 1024);
		for (const asked of [page.ask('test.echo', { text, number: 1 }), room.publish({ text })]) {
			expect((await failure(asked)).reason).toEqual({
				type: 'malformed',
				message: expect.stringMatching(/^\d+ bytes are more than the 524288/) as unknown
			});
		}

		expect(await page.ask('test.user')).toBe('ada');
		expect(states).toEqual(['idle', 'connecting', 'connected']);
	});

	test('as changed when its types are others than those of the server', async () => {
		const asked = new TestPage(line).ask('test.user', null, '0123456789abcdef');

		expect((await failure(asked)).reason).toEqual({ type: 'changed' });
	});

	test('as changed when the server does not know it', async () => {
		const asked = new TestPage(line).ask('test.gone', null, '0123456789abcdef');

		expect((await failure(asked)).reason).toEqual({ type: 'changed' });
	});

	test('with the code of anything else', async () => {
		const error = await failure(new TestPage(line).ask('test.fail'));

		expect(error.reason).toEqual({ type: 'failed', code: 100, message: 'internal server error' });
		expect(error.message).toBe('test.fail: internal server error (100)');
	});

	test('as unreachable when the connection is lost before the answer', async () => {
		const page = new TestPage(line);
		await page.ask('test.user');
		const asked = failure(page.ask('test.wait', { millis: 60_000 }));
		await line.cut();

		expect((await asked).reason).toEqual({ type: 'unreachable' });
		await line.mend();
	});

	test('as unreachable when no answer comes in time', async () => {
		const page = new TestPage(line);
		await page.ask('test.user');
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
		const asked = failure(page.ask('test.wait', { millis: 60_000 }));

		await vi.advanceTimersByTimeAsync(5_001);

		expect((await asked).reason).toEqual({ type: 'unreachable' });
	});

	test('as unreachable at once when the connection is closed', async () => {
		const page = new TestPage(line);
		await page.ask('test.user');
		page.connection.close();
		vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });

		expect((await failure(page.ask('test.user'))).reason).toEqual({ type: 'unreachable' });
	});
});
