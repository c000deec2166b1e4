// @ts-check
/** What cargo knows about the workspace, in the form that the rules ask for. The rules themselves are elsewhere. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Where the programs run. What only other systems need is not looked at. */
const PLATFORMS = ['x86_64-unknown-linux-gnu', 'aarch64-apple-darwin'];

/**
 * The part of `cargo metadata` that is used here.
 *
 * @typedef {{ kind: string | null }} DependencyKind
 * @typedef {{ pkg: string, dep_kinds: DependencyKind[] }} Dependency
 * @typedef {{ id: string, deps: Dependency[] }} Node
 * @typedef {{ id: string, name: string, version: string, license: string | null, targets: { kind: string[] }[] }} Package
 * @typedef {{ packages: Package[], workspace_members: string[], resolve: { nodes: Node[] } }} Metadata
 */

/**
 * Asks cargo.
 *
 * @param {string} root
 * @returns {Promise<Metadata>}
 */
export async function readMetadata(root) {
	const platforms = PLATFORMS.flatMap((platform) => ['--filter-platform', platform]);
	const { stdout } = await promisify(execFile)(
		'cargo',
		['metadata', '--locked', '--format-version=1', ...platforms],
		{ cwd: root, maxBuffer: 256 * 1024 * 1024 }
	);
	return JSON.parse(stdout);
}

export class Graph {
	/** @type {Map<string, Package>} */
	#packages;
	/** @type {Map<string, Node>} */
	#nodes;
	/** The packages of the workspace. @type {Package[]} */
	members;

	/** @param {Metadata} metadata */
	constructor(metadata) {
		this.#packages = new Map(metadata.packages.map((item) => [item.id, item]));
		this.#nodes = new Map(metadata.resolve.nodes.map((node) => [node.id, node]));
		this.members = metadata.workspace_members.map((id) => this.#package(id));
	}

	/** Every package, of the workspace or not. */
	get packages() {
		return [...this.#packages.values()];
	}

	/** What a package depends on for whatever purpose, tests included. @param {Package} from */
	direct(from) {
		return this.#dependencies(from, () => true);
	}

	/**
	 * Everything that becomes part of a package's programs, itself included. Build scripts and macros work at build time
	 * only, and so does what they depend on.
	 *
	 * @param {Package} from
	 */
	linked(from) {
		const found = new Set([from]);
		for (const item of found) {
			for (const dependency of this.#dependencies(item, ({ kind }) => kind === null)) {
				if (!isMacro(dependency)) found.add(dependency);
			}
		}
		return [...found];
	}

	/**
	 * @param {Package} from
	 * @param {(kind: DependencyKind) => boolean} matters
	 */
	#dependencies(from, matters) {
		const dependencies = this.#nodes.get(from.id)?.deps ?? [];
		return dependencies
			.filter(({ dep_kinds }) => dep_kinds.some(matters))
			.map(({ pkg }) => this.#package(pkg));
	}

	/** @param {string} id */
	#package(id) {
		const found = this.#packages.get(id);
		if (found === undefined) throw new Error(`cargo metadata does not describe ${id}`);
		return found;
	}
}

/** @param {Package} item */
export function hasProgram(item) {
	return item.targets.some(({ kind }) => kind.includes('bin'));
}

/** @param {Package} item */
function isMacro(item) {
	return item.targets.some(({ kind }) => kind.includes('proc-macro'));
}
