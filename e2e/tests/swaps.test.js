// @ts-check
/** Swaps of the worker under load: clients that never retry, and sockets that never come back, see nothing of them. */
import assert from 'node:assert/strict';
import { Checkout } from '../harness/checkout.js';
import { DevServer } from '../harness/dev-server.js';
import { get } from '../harness/http.js';
import { Load } from '../harness/load.js';
import { RawSocket } from '../harness/raw-socket.js';
import { scenarios } from '../harness/scenario.js';
import { until } from '../harness/wait.js';

const SWAPS = 10;
const REQUESTS = 20_000;

const API = 'crates/app/src/api.rs';

/** @type {Checkout} */
let checkout;
/** @type {DevServer} */
let server;

const scenario = scenarios(async (run) => {
	checkout = await Checkout.make(run);
	server = await DevServer.start(run, checkout);
});

scenario('ten_swaps_fail_no_request_and_close_no_socket', async () => {
	const workers = new Set();
	let answer = 'Hello world from GET handler';
	/** @type {RawSocket[]} */
	const sockets = [];
	/** @type {number[]} */
	const closed = [];
	const load = Load.start(server.port);
	for (let swap = 1; swap <= SWAPS; swap += 1) {
		const socket = await RawSocket.open(server.port);
		void socket.closed.then((code) => closed.push(code));
		sockets.push(socket);
		const next = `Hello from worker ${swap}`;
		workers.add(await server.swap(() => checkout.replace(API, answer, next)));
		answer = next;
		const { message } = JSON.parse((await get(server.port, '/api/test')).body);
		assert.equal(message, next);
		await Promise.all(sockets.map((socket) => socket.echo(`after swap ${swap}`)));
	}
	await until(
		`${REQUESTS} requests`,
		() => load.total >= REQUESTS || load.failures.length > 0,
		120_000
	);
	await load.stop();
	assert.deepEqual(load.failures, []);
	assert.deepEqual(closed, [], 'no socket has been closed');
	assert.equal(workers.size, SWAPS);
	console.log(`${load.total} requests: ${JSON.stringify(load.answered)}`);
});
