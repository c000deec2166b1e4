// @ts-check
/**
 * Finds the processes that a run has started, however far they have gone from it: they carry the run's marker in their
 * environment. Linux only, as it reads /proc.
 */
import { readdir, readFile } from 'node:fs/promises';

/** The environment variable that carries the marker. */
export const MARKER = 'DUPLEX_RUN';

/**
 * A process that carries a marker.
 *
 * @typedef {{ pid: number, command: string }} Marked
 */

/**
 * How often nothing has to be found until nothing is there. A process that becomes another program shows no environment
 * for a moment, and one that is born during the search may not be in the list.
 */
const LOOKS = 3;
const BETWEEN_LOOKS_MS = 10;

/**
 * The living processes whose marker is `marker`, or begins with `marker` and a dot.
 *
 * @param {string} marker
 * @returns {Promise<Marked[]>}
 */
export async function marked(marker) {
	for (let looks = 1; ; looks += 1) {
		const found = await look(marker);
		if (found.length > 0 || looks === LOOKS) return found;
		await new Promise((resolve) => setTimeout(resolve, BETWEEN_LOOKS_MS));
	}
}

/** @param {string} marker */
async function look(marker) {
	const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
	const found = await Promise.all(pids.map((pid) => inspect(pid, marker)));
	return found.filter((process) => process !== null);
}

/**
 * @param {number} pid
 * @param {string} marker
 * @returns {Promise<Marked | null>}
 */
async function inspect(pid, marker) {
	if (pid === process.pid) return null;
	try {
		const variables = (await readFile(`/proc/${pid}/environ`, 'utf8')).split('\0');
		const value = variables.find((variable) => variable.startsWith(`${MARKER}=`));
		const carried = value?.slice(MARKER.length + 1);
		if (carried !== marker && !carried?.startsWith(`${marker}.`)) return null;
		const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).replaceAll('\0', ' ').trim();
		return { pid, command };
	} catch {
		// It has ended meanwhile, or belongs to somebody else and so cannot be of this run.
		return null;
	}
}

/**
 * @param {Marked[]} processes
 * @returns {string}
 */
export function describeProcesses(processes) {
	return processes.map(({ pid, command }) => `  ${pid} ${command.slice(0, 200)}`).join('\n');
}
