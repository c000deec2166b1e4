// @ts-check
/** The SDK for JavaScript in Node. */
import { Centrifuge } from 'centrifuge';
import { createRequire } from 'node:module';
import { OpenServer } from '../harness/open-server.js';
import { scenarios } from '../harness/scenario.js';
import { facts } from '../sdk/facts.js';
import { prove } from '../sdk/stage.js';

// Node has a WebSocket of its own only from version 22 on.
const { WebSocket } = createRequire(import.meta.url)('ws');

/** @type {OpenServer} */
let server;

const scenario = scenarios(async (run) => {
	server = await OpenServer.start(run);
});

for (const fact of Object.keys(facts)) {
	scenario(`in_node_${fact}`, () =>
		prove(fact, { Centrifuge, options: { websocket: WebSocket }, origin: server.origin })
	);
}
