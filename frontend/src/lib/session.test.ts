import { EventEmitter, once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Session } from './session.svelte';

let server: Server;
let respond: RequestListener;

beforeEach(async () => {
	server = createServer((request, response) => respond(request, response));
	server.listen(0, '127.0.0.1');
	await once(server, 'listening');
	const { port } = server.address() as AddressInfo;
	const { fetch } = globalThis;
	// A page's paths are relative to its own server, which Node has to be told.
	vi.stubGlobal('fetch', (path: string, init: RequestInit) =>
		fetch(`http://127.0.0.1:${port}${path}`, init)
	);
});

afterEach(() => {
	vi.unstubAllGlobals();
	server.closeAllConnections();
	server.close();
});

/** Answers every request with JSON, and records what was asked. */
function answer(value: unknown): string[] {
	const asked: string[] = [];
	respond = async (request, response) => {
		asked.push(`${request.method} ${request.url} ${await text(request)}`.trimEnd());
		response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
	};
	return asked;
}

test('the visitor is whoever the server says', async () => {
	const asked = answer({ user: 'Ada' });
	const session = new Session();

	expect(await session.load()).toBe(true);

	expect(session.user).toBe('Ada');
	expect(asked).toEqual(['GET /api/session']);
});

test('before the server has answered, nobody knows who this is', async () => {
	respond = (request) => request.socket.destroy();
	const session = new Session();
	await session.load();
	expect(session.known).toBe(false);

	answer({ user: null });
	await session.load();

	expect(session.known).toBe(true);
	expect(session.user).toBeNull();
});

test('signing in sends the name as JSON and takes the name from the answer', async () => {
	const asked = answer({ user: 'ada' });
	const session = new Session();

	expect(await session.signIn('Ada')).toBe(true);

	expect(session.user).toBe('ada');
	expect(asked).toEqual(['POST /api/session {"name":"Ada"}']);
});

test('signing out needs no body in the answer', async () => {
	answer({ user: 'Ada' });
	const session = new Session();
	await session.load();
	respond = (request, response) =>
		response.writeHead(request.method === 'DELETE' ? 204 : 500).end();

	expect(await session.signOut()).toBe(true);

	expect(session.user).toBeNull();
});

test('a refusal in plain text is shown, and the visitor stays who they were', async () => {
	answer({ user: 'Ada' });
	const session = new Session();
	await session.load();
	respond = (_, response) =>
		response.writeHead(422, { 'content-type': 'text/plain' }).end('a name has at most 64 letters');

	expect(await session.signIn('…')).toBe(false);

	expect(session.error).toBe('a name has at most 64 letters');
	expect(session.user).toBe('Ada');
	expect(session.busy).toBe(false);
});

test('a refusal in JSON is shown by what it calls the error', async () => {
	const json = { 'content-type': 'application/json' };
	const session = new Session();
	respond = (_, response) => response.writeHead(422, json).end('{"error":"a name has letters"}');
	await session.signIn('…');
	expect(session.error).toBe('a name has letters');

	respond = (_, response) => response.writeHead(422, json).end('{"error":');
	await session.signIn('…');
	expect(session.error).toBe('the server answered 422 Unprocessable Entity');
});

test('a refusal in another type is shown by its status', async () => {
	respond = (_, response) =>
		response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
	const session = new Session();

	await session.load();

	expect(session.error).toBe('the server answered 502 Bad Gateway');
});

test('an answer that is not JSON is an error, not a visitor', async () => {
	respond = (_, response) => response.end('<!doctype html>');
	const session = new Session();

	await session.load();

	expect(session.error).toBe('GET /api/session was not answered with JSON');
	expect(session.user).toBeNull();
});

test('an answer of another shape is an error, not a visitor', async () => {
	answer({ user: 42 });
	const session = new Session();

	await session.load();

	expect(session.error).toContain('does not understand');
});

test('once it is known who this is, a question that fails is no business of the visitor', async () => {
	answer({ user: 'Ada' });
	const session = new Session();
	await session.load();
	respond = (request) => request.socket.destroy();
	await session.signOut();
	expect(session.error).toBe('the server cannot be reached');
	respond = (_, response) => response.writeHead(502).end();

	expect(await session.load()).toBe(false);

	expect(session.error).toBe('the server cannot be reached');
	expect(session.user).toBe('Ada');
});

test('an answer that a sign-in has overtaken does not count', async () => {
	answer({ user: null });
	const session = new Session();
	await session.load();
	const overtaken = new EventEmitter();
	respond = async (request, response) => {
		const isQuestion = request.method === 'GET';
		if (isQuestion) await once(overtaken, 'now');
		const user = isQuestion ? null : 'Ada';
		response.setHeader('content-type', 'application/json').end(JSON.stringify({ user }));
	};
	const asked = session.load();
	expect(session.busy).toBe(false);
	await session.signIn('Ada');
	overtaken.emit('now');

	expect(await asked).toBe(false);
	expect(session.user).toBe('Ada');
});

test('nobody is asked who this is while that is being changed', async () => {
	answer({ user: null });
	const session = new Session();
	await session.load();
	const asked = answer({ user: 'Ada' });
	await Promise.all([session.signIn('Ada'), session.load()]);

	expect(asked).toHaveLength(1);
});

test('an unreachable server is named, and the next success clears the error', async () => {
	respond = (request) => request.socket.destroy();
	const session = new Session();
	await session.load();
	expect(session.error).toBe('the server cannot be reached');

	answer({ user: null });
	await session.load();

	expect(session.error).toBeNull();
});
