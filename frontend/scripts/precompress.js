/**
 * Writes `.br` and `.gz` files beside the files of a finished site, at the best level, so that the server never
 * compresses anything itself. A variant that would not be smaller is left out. Needs nothing but Node.
 *
 *     node precompress.js DIRECTORY
 */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { extname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** Below this, headers weigh more than what compression saves. */
const MIN_BYTES = 1024;

const COMPRESSIBLE = new Set(
	'.html .js .css .json .svg .txt .xml .map .wasm .webmanifest .ico'.split(' ')
);

/** How many of the largest files the table names. */
const LARGEST = 5;

/**
 * @typedef {object} Sizes
 * @property {string} path relative to the directory, with forward slashes
 * @property {number} identity bytes of the file itself
 * @property {number | null} gzip bytes of its `.gz` variant, null if it has none
 * @property {number | null} br bytes of its `.br` variant, null if it has none
 */

/**
 * Compresses what is worth it in a directory, and returns the sizes of all its files, largest first.
 *
 * @param {string} directory
 * @returns {Promise<Sizes[]>}
 */
export async function precompress(directory) {
	const entries = await readdir(directory, { recursive: true, withFileTypes: true });
	const files = entries
		.filter((entry) => entry.isFile() && !['.br', '.gz'].includes(extname(entry.name)))
		.map((entry) => join(entry.parentPath, entry.name));
	const sizes = await Promise.all(files.map((file) => compressFile(directory, file)));
	return sizes.sort((a, b) => b.identity - a.identity || a.path.localeCompare(b.path));
}

/**
 * Describes the sizes as a table for people. A file without a variant counts as itself in that variant's total.
 *
 * @param {Sizes[]} sizes
 * @returns {string}
 */
export function table(sizes) {
	/** @param {'identity' | 'gzip' | 'br'} variant */
	const total = (variant) => sizes.reduce((sum, file) => sum + (file[variant] ?? file.identity), 0);
	const rows = [
		['', 'identity', 'gzip', 'br'],
		[`${sizes.length} files`, ...[total('identity'), total('gzip'), total('br')].map(kilobytes)],
		...sizes
			.slice(0, LARGEST)
			.map((file) => [file.path, ...[file.identity, file.gzip, file.br].map(kilobytes)])
	];
	const width = Math.max(...rows.map(([name = '']) => name.length));
	return rows
		.map(
			([name = '', ...cells]) =>
				name.padEnd(width) + cells.map((cell) => cell.padStart(11)).join('')
		)
		.join('\n');
}

/**
 * @param {string} directory
 * @param {string} file
 * @returns {Promise<Sizes>}
 */
async function compressFile(directory, file) {
	const bytes = await readFile(file);
	const path = relative(directory, file).replaceAll('\\', '/');
	const sizes = { path, identity: bytes.length, gzip: null, br: null };
	if (bytes.length < MIN_BYTES || !COMPRESSIBLE.has(extname(file).toLowerCase())) return sizes;

	const [gzipped, brotli] = await Promise.all([
		promisify(gzip)(bytes, { level: constants.Z_BEST_COMPRESSION }),
		promisify(brotliCompress)(bytes, {
			params: {
				[constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
				[constants.BROTLI_PARAM_SIZE_HINT]: bytes.length
			}
		})
	]);
	return {
		...sizes,
		gzip: await keepIfSmaller(`${file}.gz`, gzipped, bytes.length),
		br: await keepIfSmaller(`${file}.br`, brotli, bytes.length)
	};
}

/**
 * @param {string} path
 * @param {Uint8Array} bytes
 * @param {number} limit
 * @returns {Promise<number | null>}
 */
async function keepIfSmaller(path, bytes, limit) {
	if (bytes.length >= limit) return null;
	await writeFile(path, bytes);
	return bytes.length;
}

/** @param {number | null} bytes */
function kilobytes(bytes) {
	return bytes === null ? '–' : `${(bytes / 1000).toFixed(1)} kB`;
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
	const directory = process.argv[2];
	if (directory === undefined) {
		console.error('usage: node precompress.js DIRECTORY');
		process.exit(2);
	}
	console.log(table(await precompress(directory)));
}
