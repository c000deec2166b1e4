// @ts-check
/** The SDK for Python. It has to have every fact that the one for JavaScript has. */
import { OpenServer } from '../harness/open-server.js';
import { runPythonTest } from '../harness/python.js';
import { scenarios } from '../harness/scenario.js';
import { facts } from '../sdk/facts.js';

/** @type {OpenServer} */
let server;

const scenario = scenarios(async (run) => {
	server = await OpenServer.start(run);
});

for (const fact of Object.keys(facts)) {
	scenario(`in_python_${fact}`, (run) =>
		runPythonTest(run, `facts.Facts.${fact}`, { DUPLEX_ORIGIN: server.origin })
	);
}
