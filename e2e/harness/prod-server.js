// @ts-check
/** The production server and its preview, with the front end that scripts/build-frontend.sh has built. */
import { join } from 'node:path';
import { ROOT, build } from './cargo.js';
import { PageServer } from './page-server.js';

/** Keeps sign-ins valid over a restart. */
const SECRET = 'only for tests, and known to everyone who reads them';

/** Where the build script puts the front end. */
const BUILD = join(ROOT, 'frontend/build');

export class ProdServer extends PageServer {
	/**
	 * Starts the server and waits until it listens.
	 *
	 * @param {import('./run.js').Run} run
	 * @param {{ preview?: boolean, port?: number, assets?: string }} [options]
	 */
	static async start(run, { preview = false, port = 0, assets = BUILD } = {}) {
		const mode = preview ? ['--preview'] : ['--host', 'localhost'];
		const program = run.start(
			await build('prod-server'),
			[...mode, '--port', String(port), '--assets', assets],
			{ env: { SESSION_SECRET: SECRET } }
		);
		const [, chosen] = await program.line(/listening on http:\/\/127\.0\.0\.1:(\d+)/);
		return new ProdServer(program, Number(chosen));
	}
}
