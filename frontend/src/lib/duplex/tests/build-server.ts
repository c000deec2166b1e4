/** Builds the example server that the tests run against, once, and tells them where it is. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
	interface ProvidedContext {
		/** The program to start. */
		contractServer: string;
	}
}

/** Errors are for people, on standard error; what has been built is in JSON, on standard output. */
const CARGO =
	'cargo build --quiet --locked -p duplex-core --example contract --message-format json-render-diagnostics';

/** What cargo says in a line for each thing that it has built. */
interface Artifact {
	target?: { name: string };
	executable?: string | null;
}

export default async function buildServer(project: TestProject): Promise<void> {
	const [program = '', ...args] = CARGO.split(' ');
	const cargo = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
	const [output, [code]] = await Promise.all([text(cargo.stdout), once(cargo, 'exit')]);
	if (code !== 0) throw new Error(`the server does not build: ${CARGO}`);
	project.provide('contractServer', programIn(output));
}

function programIn(output: string): string {
	for (const line of output.trimEnd().split('\n')) {
		const { target, executable } = JSON.parse(line) as Artifact;
		if (target?.name === 'contract' && executable) return executable;
	}
	throw new Error('cargo has not said where the program is');
}
