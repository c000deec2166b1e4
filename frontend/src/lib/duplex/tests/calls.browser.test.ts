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
