// @ts-check
/**
 * One run of a test file. Owns what the tests must not leave behind: processes, which it finds by the marker that all
 * of them inherit, and files, which lie in one folder.
 */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program } from './program.js';
import { MARKER, describeProcesses, marked } from './strays.js';
import { until } from './wait.js';

/** How long processes may take to be gone after their owner's end. */
export const END_MS = 5_000;

/** Settings of whoever runs the tests. They must not change what is tested. */
const NOT_INHERITED =
	/^(HOST|PORT|ORIGIN|DATABASE_FILE|SESSION_SECRET|HANDOVER|STATE_FILE|DUPLEX_FAIL_AT|RUST_LOG|RUST_BACKTRACE|STREAM_ABOVE|PUBLIC_.*|CI|NO_COLOR|FORCE_COLOR|NODE_.*|CARGO_(MANIFEST|PKG|BIN|CRATE).*)$/;

export class Run {
	/** What every process of this run carries. */
	marker;
	/** A folder that is removed at the end. */
	folder;
	/** @type {Program[]} */
	#programs = [];
	/** @type {(() => Promise<unknown>)[]} */
	#endings = [];
	/** @type {(() => string)[]} */
	#explanations = [];

	/**
	 * @param {string} marker
	 * @param {string} folder
	 */
	constructor(marker, folder) {
		this.marker = marker;
		this.folder = folder;
	}

	/** Begins a run; call it before the first test and `end` after the last. */
	static async begin() {
		const marker = [process.env[MARKER], randomUUID()].filter(Boolean).join('.');
		return new Run(marker, await mkdtemp(join(tmpdir(), 'duplex-e2e-')));
	}

	/**
	 * The environment of everything that is started.
	 *
	 * @param {NodeJS.ProcessEnv} [changes]
	 * @returns {NodeJS.ProcessEnv}
	 */
	environment(changes = {}) {
		const inherited = Object.entries(process.env).filter(([name]) => !NOT_INHERITED.test(name));
		return {
			...Object.fromEntries(inherited),
			TMPDIR: this.folder,
			DATABASE_FILE: join(this.folder, 'duplex.sqlite'),
			[MARKER]: this.marker,
			...changes
		};
	}

	/**
	 * Starts a program.
	 *
	 * @param {string} command
	 * @param {string[]} [parameters]
	 * @param {{ cwd?: string, env?: NodeJS.ProcessEnv, echo?: boolean }} [options]
	 */
	start(command, parameters = [], { cwd = this.folder, env = {}, echo = false } = {}) {
		const program = new Program(command, parameters, { cwd, env: this.environment(env), echo });
		this.#programs.push(program);
		return program;
	}

	/** Has something done at the end, last come first served. @param {() => Promise<unknown>} ending */
	atEnd(ending) {
		this.#endings.unshift(ending);
	}

	/** Adds to what is said of a failure. @param {() => string} explanation */
	explain(explanation) {
		this.#explanations.push(explanation);
	}

	/** What the programs have printed, and what else there is to explain a failure. */
	transcript() {
		const printed = this.#programs.map(
			(program) => `--- ${program.name} (${program.ending ? 'ended' : 'runs'})\n${program.output}\n`
		);
		return [...printed, ...this.#explanations.map((explanation) => explanation())].join('');
	}

	/** The living processes of this run. */
	processes() {
		return marked(this.marker);
	}

	/** Fails if a process of this run is still there after the time that all may take to end. */
	async assertNothingRuns() {
		const none = async () => (await this.processes()).length === 0;
		try {
			await until('the processes of this run to end', none, END_MS);
		} catch {
			const left = await this.processes();
			if (left.length > 0) {
				throw new Error(`still there after ${END_MS / 1000} s:\n${describeProcesses(left)}`);
			}
		}
	}

	/** Kills everything that still runs, so that it cannot disturb what comes next. */
	async killAll() {
		for (const { pid } of await this.processes()) kill(pid);
	}

	/** Ends everything. Fails if there is a process that should have ended with its owner; such a one is killed. */
	async end() {
		/** @type {unknown[]} */
		const failures = [];
		const attempt = (/** @type {Promise<unknown>} */ step) =>
			step.catch((error) => failures.push(error));
		for (const ending of this.#endings) await attempt(ending());
		for (const program of this.#programs) await attempt(program.stop());
		await attempt(this.assertNothingRuns());
		await this.killAll();
		await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
		if (failures.length > 0) throw new AggregateError(failures, failures.map(String).join('\n'));
	}
}

/** @param {number} pid */
function kill(pid) {
	try {
		process.kill(pid, 'SIGKILL');
	} catch {
		// It has just ended by itself.
	}
}
