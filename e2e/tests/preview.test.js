// @ts-check
/** The page in the preview of the production build, which answers to the names of this machine only. */
import assert from 'node:assert/strict';
import { Browser } from '../harness/browser.js';
import { get } from '../harness/http.js';
import { ProdServer } from '../harness/prod-server.js';
import { scenarios } from '../harness/scenario.js';
import { chatContract } from './chat-contract.js';
import { pageContract } from './page-contract.js';
import { roomsContract } from './rooms-contract.js';

/** @type {ProdServer} */
let server;
/** @type {Browser} */
let browser;

const scenario = scenarios(async (run) => {
	[server, browser] = await Promise.all([
		ProdServer.start(run, { preview: true }),
		Browser.start(run)
	]);
});

pageContract(scenario, () => ({ url: server.url, browser }));
roomsContract(scenario, () => ({ url: server.url }));
chatContract(scenario, () => ({ url: server.url, browser }));

scenario('a_foreign_host_is_refused', async () => {
	for (const path of ['/', '/api/test', '/websocket']) {
		const foreign = await get(server.port, path, { host: 'rebound.example' });
		assert.equal(foreign.status, 403, `${path}: ${foreign.body}`);
	}
	for (const host of ['localhost', '127.0.0.1', '[::1]', `localhost:${server.port}`]) {
		assert.equal((await get(server.port, '/', { host })).status, 200, host);
	}
});
