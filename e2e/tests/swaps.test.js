// @ts-check
/** Swaps of the worker under load: what clients that never retry see of them, and raw sockets. */
import assert from 'node:assert/strict';
import { Checkout } from '../harness/checkout.js';
import { DevServer } from '../harness/dev-server.js';
import { get } from '../harness/http.js';
import { Load } from '../harness/load.js';
import { RawSocket } from '../harness/raw-socket.js';
import { scenarios } from '../harness/scenario.js';
import { until, within } from '../harness/wait.js';

const SWAPS = 10;
const REQUESTS = 20_000;
const SOCKETS = 5;

const API = 'crates/app/src/api.rs';

/** @type {Checkout} */
let checkout;
/** @type {DevServer} */
let server;

const scenario = scenarios(async (run) => {
	checkout = await Checkout.make(run);
	server = await DevServer.start(run, checkout);
});

scenario('ten_swaps_fail_no_request_and_tell_every_socket', async () => {
	const workers = new Set();
	let answer = 'Hello world from GET handler';
	const load = Load.start(server.port);
	for (let swap = 1; swap <= SWAPS; swap += 1) {
		const sockets = await Promise.all(
			Array.from({ length: SOCKETS }, () => RawSocket.open(server.port))
		);
		const next = `Hello from worker ${swap}`;
		workers.add(await server.swap(() => checkout.replace(API, answer, next)));
		answer = next;
		const codes = Promise.all(sockets.map(({ closed }) => closed));
		assert.deepEqual(await within('the sockets to be closed', codes), Array(SOCKETS).fill(1012));
		// The old worker has been told to stop accepting, which its accepting thread may hear a moment later.
		await until(`the answer of worker ${swap}`, async () => {
			const { message } = JSON.parse((await get(server.port, '/api/test')).body);
			return message === next;
		});
	}
	await until(
		`${REQUESTS} requests`,
		() => load.total >= REQUESTS || load.failures.length > 0,
		120_000
	);
	await load.stop();
	assert.deepEqual(load.failures, []);
	assert.equal(workers.size, SWAPS);
	console.log(`${load.total} requests: ${JSON.stringify(load.answered)}`);
});
