// @ts-check
/**
 * A working copy of the project that tests may edit. It stays in one place between runs, so that a run has to build only
 * what has changed since the last one; a new run puts every file right.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { ROOT } from './cargo.js';

const execute = promisify(execFile);

const COPY = join(ROOT, 'target/e2e/checkout');
const TARGET = join(ROOT, 'target/e2e/build');
const PACKAGES = 'frontend/node_modules';
const STAMP = `${PACKAGES}/.duplex-installed`;

/** What programs make in the copy, and what is kept there. */
const KEPT = new Set(['node_modules', '.svelte-kit']);

export class Checkout {
	/** The folder of the copy. */
	root = COPY;
	/** What cargo has to be told, in order to build beside the user's own builds. */
	environment = { CARGO_TARGET_DIR: TARGET };
	/** What was in the files that a test has changed; null for those that were not there. @type {Map<string, string | null>} */
	#originals = new Map();

	/** Makes the copy, or brings it up to date. @param {import('./run.js').Run} run */
	static async make(run) {
		const files = await projectFiles();
		await removeOthers(COPY, '', files);
		for (const file of files) await copyIfChanged(file);
		await copyPackages();
		await seedBuilds();
		const checkout = new Checkout();
		run.atEnd(() => checkout.restore());
		return checkout;
	}

	/** @param {string} file */
	path(file) {
		return join(this.root, file);
	}

	/** @param {string} file */
	read(file) {
		return readFile(this.path(file), 'utf8');
	}

	/**
	 * Replaces the only occurrence of a text in a file.
	 *
	 * @param {string} file
	 * @param {string} from
	 * @param {string} to
	 */
	async replace(file, from, to) {
		const before = await readFile(this.path(file), 'utf8');
		const parts = before.split(from);
		if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times ${from}`);
		await this.write(file, parts.join(to));
	}

	/**
	 * Writes a file, as an editor would.
	 *
	 * @param {string} file
	 * @param {string} content
	 */
	async write(file, content) {
		await this.#remember(file);
		await mkdir(dirname(this.path(file)), { recursive: true });
		await writeFile(this.path(file), content);
	}

	/** Removes a file. @param {string} file */
	async remove(file) {
		await this.#remember(file);
		await rm(this.path(file), { force: true });
	}

	/** Removes a folder that a program has made in the copy. @param {string} folder */
	removeMade(folder) {
		return rm(this.path(folder), { recursive: true, force: true });
	}

	/** Makes the front end's packages look as if they were not the right ones. */
	removeInstallationStamp() {
		return this.remove(STAMP);
	}

	/** Undoes every change since the last time. */
	async restore() {
		for (const [file, content] of this.#originals) {
			if (content === null) await rm(this.path(file), { force: true });
			else await writeFile(this.path(file), content);
		}
		this.#originals.clear();
	}

	/** @param {string} file */
	async #remember(file) {
		if (!this.#originals.has(file)) this.#originals.set(file, await contentOf(this.path(file)));
	}
}

/** The files that are in the project, or would be if they were committed now. */
async function projectFiles() {
	const { stdout } = await execute('git', ['ls-files', '-coz', '--exclude-standard'], {
		cwd: ROOT
	});
	const listed = [...new Set(stdout.split('\0').filter(Boolean))];
	const exist = await Promise.all(listed.map((file) => isFile(join(ROOT, file))));
	return new Set(listed.filter((_file, index) => exist[index]));
}

/**
 * Removes what an earlier project, or an interrupted test, has left.
 *
 * @param {string} root
 * @param {string} folder
 * @param {Set<string>} files
 */
async function removeOthers(root, folder, files) {
	const entries = await readdir(join(root, folder), { withFileTypes: true }).catch(() => []);
	for (const entry of entries) {
		const file = join(folder, entry.name);
		if (KEPT.has(entry.name)) continue;
		if (entry.isDirectory()) await removeOthers(root, file, files);
		else if (!files.has(file)) await rm(join(root, file));
	}
}

/**
 * Leaves a file alone that is right already: cargo takes a new date for a change. The copy's date is the present one,
 * as an older one would be older than what was built before.
 *
 * @param {string} file
 */
async function copyIfChanged(file) {
	const [wanted, present] = await Promise.all([
		readFile(join(ROOT, file)),
		readFile(join(COPY, file)).catch(() => null)
	]);
	if (present !== null && wanted.equals(present)) return;
	await mkdir(dirname(join(COPY, file)), { recursive: true });
	await writeFile(join(COPY, file), wanted, { mode: (await stat(join(ROOT, file))).mode });
}

/** Hard links, because real paths matter to Vite, and copies of all packages would take long. */
async function copyPackages() {
	const wanted = await contentOf(join(ROOT, STAMP));
	if (wanted === null) throw new Error('no front-end packages: run scripts/build-frontend.sh');
	if (wanted === (await contentOf(join(COPY, STAMP)))) return;
	await rm(join(COPY, PACKAGES), { recursive: true, force: true });
	await execute('cp', ['-al', join(ROOT, PACKAGES), join(COPY, PACKAGES)]);
	// A link would let the copy write to the original.
	await rm(join(COPY, STAMP));
	await writeFile(join(COPY, STAMP), wanted);
	for (const cache of ['.vite', '.vite-temp', '.cache']) {
		await rm(join(COPY, PACKAGES, cache), { recursive: true, force: true });
	}
}

/**
 * Takes over what the project's own builds have made of the packages from elsewhere, instead of building those once
 * more. If cargo keeps its files in another way one day, it will find nothing of use and build them.
 */
async function seedBuilds() {
	const [from, to] = [join(ROOT, 'target/debug'), join(TARGET, 'debug')];
	if ((await stat(to).catch(() => null)) !== null) return;
	const own = await ownCrates();
	await mkdir(to, { recursive: true });
	for (const folder of ['.fingerprint', 'build', 'deps']) {
		await cp(join(from, folder), join(to, folder), {
			recursive: true,
			preserveTimestamps: true,
			filter: (path) => !own.has(crateOf(path.slice(join(from, folder).length + 1)))
		}).catch((error) => {
			if (error.code !== 'ENOENT') throw error;
		});
	}
}

/** The names of everything that the workspace itself makes. */
async function ownCrates() {
	const { stdout } = await execute('cargo', ['metadata', '--no-deps', '--format-version=1'], {
		cwd: ROOT,
		maxBuffer: 64 * 1024 * 1024
	});
	/** @type {{ packages: { name: string, targets: { name: string }[] }[] }} */
	const { packages } = JSON.parse(stdout);
	const names = packages.flatMap(({ name, targets }) => [name, ...targets.map(({ name }) => name)]);
	return new Set(names.map((name) => name.replaceAll('-', '_')));
}

/** The crate that a file of cargo's, as `libserde-0123456789abcdef.rlib`, is about. @param {string} file */
function crateOf(file) {
	const match = file.match(/^(?:lib)?([^/]+?)-[0-9a-f]{16}(?=[./]|$)/);
	return match?.[1]?.replaceAll('-', '_') ?? '';
}

/** @param {string} path */
async function isFile(path) {
	return (await stat(path).catch(() => null))?.isFile() ?? false;
}

/** @param {string} path */
function contentOf(path) {
	return readFile(path, 'utf8').catch(() => null);
}
