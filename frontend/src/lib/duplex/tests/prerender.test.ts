import { render } from 'svelte/server';
import { afterEach, expect, test, vi } from 'vitest';
import { call, CallError, connection } from '..';
import Prerendered from './Prerendered.svelte';

afterEach(() => vi.unstubAllGlobals());

test('a component is prerendered without anything being asked for', () => {
	const WebSocket = vi.fn();
	vi.stubGlobal('WebSocket', WebSocket);

	const { body } = render(Prerendered);

	const words = ['Not connected', 'chat:lobby', 'subscribing', '0 received'];
	expect([...body.matchAll(/<p>(.*?)<\/p>/g)].map(([, words]) => words)).toEqual(words);
	expect(connection.status).toEqual({ state: 'idle' });
	expect(WebSocket).not.toHaveBeenCalled();
});

test('a call fails while there is no server to ask', async () => {
	const error: unknown = await call('chat.rooms').catch((error: unknown) => error);

	expect(error).toBeInstanceOf(CallError);
	expect(error).toMatchObject({ call: 'chat.rooms', reason: { type: 'unreachable' } });
	expect(connection.status).toEqual({ state: 'idle' });
});
