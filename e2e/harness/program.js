// @ts-check
/** A running program: its output line by line, and its end. What it is and why it runs is its starter's business. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { PATIENCE_MS, within } from './wait.js';

/** How much output is kept to explain a failure, in lines. */
const LINES_KEPT = 2_000;

/**
 * How a program ended.
 *
 * @typedef {{ code: number | null, signal: NodeJS.Signals | null }} Ending
 */

export class Program {
	/** @type {string} */
	name;
	/** What it has printed so far, both streams together. @type {string[]} */
	lines = [];
	/** @type {Promise<Ending>} */
	ended;
	/** @type {Ending | null} */
	ending = null;
	/** @type {import('node:child_process').ChildProcess} */
	#child;
	#echo;
	/** @type {Set<() => void>} */
	#listeners = new Set();

	/**
	 * Starts a program as the leader of its own process group, as a shell does.
	 *
	 * @param {string} command
	 * @param {string[]} parameters
	 * @param {{ cwd: string, env: NodeJS.ProcessEnv, echo?: boolean }} options With `echo`, what it prints is shown too.
	 */
	constructor(command, parameters, { cwd, env, echo = false }) {
		this.name = [command.split('/').at(-1), ...parameters].join(' ');
		const child = spawn(command, parameters, {
			cwd,
			env,
			detached: true,
			stdio: ['ignore', 'pipe', 'pipe']
		});
		this.#child = child;
		this.#echo = echo;
		this.#read(child.stdout);
		this.#read(child.stderr);
		// "close" comes after the last output, but waits for every heir of the pipes; "exit" is the end of the program.
		this.ended = new Promise((resolve, reject) => {
			child.once('error', reject);
			child.once('exit', (code, signal) => {
				this.ending = { code, signal };
				resolve(this.ending);
				this.#notify();
			});
		});
		// A program that cannot be started is reported to whoever waits for it.
		this.ended.catch(() => {});
	}

	get pid() {
		if (this.#child.pid === undefined) throw new Error(`${this.name} could not be started`);
		return this.#child.pid;
	}

	/** Everything that it has printed. */
	get output() {
		return this.lines.join('\n');
	}

	/**
	 * Waits for a line that matches, among those already printed too, from line `from` on.
	 *
	 * @param {RegExp} pattern
	 * @param {{ from?: number, patience?: number }} [options]
	 * @returns {Promise<RegExpMatchArray>}
	 */
	async line(pattern, { from = 0, patience = PATIENCE_MS } = {}) {
		const found = new Promise((resolve, reject) => {
			let next = from;
			const look = () => {
				for (; next < this.lines.length; next += 1) {
					const match = this.lines[next]?.match(pattern);
					if (!match) continue;
					this.#listeners.delete(look);
					return resolve(match);
				}
				if (this.ending === null) return undefined;
				this.#listeners.delete(look);
				return reject(
					new Error(`${this.name} ended (${JSON.stringify(this.ending)}) before ${pattern}`)
				);
			};
			this.#listeners.add(look);
			this.ended.catch(reject);
			look();
		});
		return /** @type {Promise<RegExpMatchArray>} */ (
			within(`${this.name} to print ${pattern}`, found, patience)
		);
	}

	/** Sends a signal to the program alone. @param {NodeJS.Signals} signal */
	signal(signal) {
		if (this.ending === null) process.kill(this.pid, signal);
	}

	/** Sends a signal to the whole group, as a terminal does on Ctrl-C. @param {NodeJS.Signals} signal */
	signalGroup(signal) {
		process.kill(-this.pid, signal);
	}

	/**
	 * Asks the program to end and waits until it has.
	 *
	 * @param {NodeJS.Signals} [signal]
	 * @returns {Promise<Ending>}
	 */
	async stop(signal = 'SIGTERM') {
		this.signal(signal);
		return within(`${this.name} to end after ${signal}`, this.ended);
	}

	/** @param {import('node:stream').Readable | null} stream */
	#read(stream) {
		if (stream === null) return;
		createInterface({ input: stream }).on('line', (line) => {
			this.lines.push(line);
			if (this.#echo) console.log(line);
			if (this.lines.length > LINES_KEPT) {
				throw new Error(`${this.name} prints without end`);
			}
			this.#notify();
		});
	}

	#notify() {
		for (const listener of this.#listeners) listener();
	}
}
