// @ts-check
/** The page on the production server. */
import { Browser } from '../harness/browser.js';
import { ProdServer } from '../harness/prod-server.js';
import { scenarios } from '../harness/scenario.js';
import { chatRestartContract } from './chat-restart-contract.js';
import { pageContract } from './page-contract.js';
import { restartContract } from './restart-contract.js';

/** @type {ProdServer} */
let server;
/** @type {Browser} */
let browser;
/** @type {import('../harness/run.js').Run} */
let run;

const scenario = scenarios(async (begun) => {
	run = begun;
	[server, browser] = await Promise.all([ProdServer.start(run), Browser.start(run)]);
});

const place = () => ({ url: server.url, browser });

pageContract(scenario, place);
restartContract(scenario, place, {
	stop: () => server.program.stop(),
	start
});
chatRestartContract(scenario, place, { kill: () => server.program.stop('SIGKILL'), start });

async function start() {
	server = await ProdServer.start(run, { port: server.port });
}
