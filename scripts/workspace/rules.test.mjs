// @ts-check
/** The rules find what they are there to find. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { checkArrows } from './arrows.mjs';
import { checkDuplicates, generation } from './duplicates.mjs';
import { checkLicenses, isPermissive } from './licenses.mjs';
import { Graph } from './metadata.mjs';
import { checkModuleDocs } from './module-docs.mjs';

/**
 * A package and what it depends on: by its name and version, or with the kind of dependency before it.
 *
 * @typedef {{ license?: string | null, kind?: string, needs?: string[] }} Sketch
 */

/**
 * Makes a graph of packages that are written as `name version`.
 *
 * @param {Record<string, Sketch>} sketches
 * @param {string[]} members
 */
function graph(sketches, members) {
	const ids = Object.keys(sketches);
	const packages = ids.map((id) => {
		const { license = 'MIT', kind = 'lib' } = sketches[id] ?? {};
		const [name = '', version = ''] = id.split(' ');
		return { id, name, version, license, targets: [{ kind: [kind] }] };
	});
	const nodes = ids.map((id) => ({ id, deps: (sketches[id]?.needs ?? []).map(dependency) }));
	return new Graph({ packages, workspace_members: members, resolve: { nodes } });
}

/** @param {string} need */
function dependency(need) {
	const [, kind = null, pkg = ''] = need.match(/^(?:(dev|build): )?(.+)$/) ?? [];
	return { pkg, dep_kinds: [{ kind }] };
}

test('the_arrows_of_a_sound_workspace_are_accepted', () => {
	const sound = graph(
		{
			'duplex-core 0.1.0': { needs: ['dev: clap 4.0.0'] },
			'duplex-app 0.1.0': { needs: ['duplex-core 0.1.0'] },
			'dev-server 0.1.0': { needs: ['duplex-core 0.1.0', 'notify 8.0.0', 'clap 4.0.0'] },
			'clap 4.0.0': {},
			'notify 8.0.0': {}
		},
		['duplex-core 0.1.0', 'duplex-app 0.1.0', 'dev-server 0.1.0']
	);
	assert.deepEqual(checkArrows(sound), []);
});

for (const [from, to] of [
	['duplex-core', 'duplex-app'],
	['dev-server', 'duplex-app'],
	['dev-server', 'dev-worker'],
	['prod-server', 'dev-server'],
	['prod-server', 'dev-worker'],
	['duplex-app', 'prod-server']
]) {
	for (const kind of ['', 'dev: ', 'build: ']) {
		test(`an_arrow_from_${from}_to_${to}_is_found${kind && `_as_${kind.slice(0, -2)}`}`, () => {
			const members = [`${from} 0.1.0`, `${to} 0.1.0`];
			const wrong = graph(
				{ [`${from} 0.1.0`]: { needs: [`${kind}${to} 0.1.0`] }, [`${to} 0.1.0`]: {} },
				members
			);
			assert.deepEqual(checkArrows(wrong), [`${from} must not depend on ${to}`]);
		});
	}
}

test('a_watcher_behind_another_crate_of_the_core_is_found', () => {
	const wrong = graph(
		{
			'duplex-core 0.1.0': { needs: ['harmless 1.0.0'] },
			'harmless 1.0.0': { needs: ['notify 8.0.0'] },
			'notify 8.0.0': {}
		},
		['duplex-core 0.1.0']
	);
	assert.deepEqual(checkArrows(wrong), [
		'duplex-core must not know notify, not even through another crate'
	]);
});

test('a_package_without_a_rule_is_found', () => {
	assert.match(
		checkArrows(graph({ 'duplex-new 0.1.0': {} }, ['duplex-new 0.1.0']))[0] ?? '',
		/^duplex-new is new/
	);
});

test('an_expression_is_permissive_if_it_can_be_met_by_permissive_licences', () => {
	for (const expression of [
		'MIT',
		'MIT OR Apache-2.0',
		'MIT/Apache-2.0',
		'Apache-2.0 / MIT',
		'GPL-3.0-only OR MIT',
		'MIT AND BSD-3-Clause',
		'(Apache-2.0 OR MIT) AND BSD-3-Clause',
		'GPL-2.0-only AND Zlib OR ISC',
		'Apache-2.0 WITH LLVM-exception OR GPL-2.0-only'
	]) {
		assert.ok(isPermissive(expression), expression);
	}
	for (const expression of [
		'',
		'GPL-3.0-only',
		'MIT AND GPL-3.0-only',
		'(MIT OR ISC) AND AGPL-3.0-only',
		'MIT AND (GPL-2.0-only OR LGPL-2.1-only)',
		'GPL-2.0-only WITH Classpath-exception-2.0',
		'(MIT',
		'MIT ISC',
		'mit-ish'
	]) {
		assert.ok(!isPermissive(expression), expression);
	}
});

test('a_crate_with_another_licence_or_none_is_named', () => {
	const wrong = graph(
		{
			'free 1.0.0': {},
			'copyleft 2.0.0': { license: 'GPL-3.0-only' },
			'none 3.0.0': { license: null }
		},
		[]
	);
	assert.deepEqual(checkLicenses(wrong), [
		'copyleft 2.0.0 has the licence GPL-3.0-only',
		'none 3.0.0 has the licence of nobody knows what'
	]);
});

test('versions_fit_together_by_their_first_part_that_is_not_zero', () => {
	const generations = ['1.2.3', '10.0.0', '0.4.1', '0.0.7', '2.0.0+build'].map(generation);
	assert.deepEqual(generations, ['1', '10', '0.4', '0.0.7', '2']);
});

/** @param {Sketch} [old] */
const twice = (old) =>
	graph(
		{
			'server 0.1.0': { kind: 'bin', needs: ['http 1.1.0', 'client 1.0.0'] },
			'client 1.0.0': { ...old, needs: ['http 0.2.9'] },
			'http 1.1.0': {},
			'http 0.2.9': {}
		},
		['server 0.1.0']
	);

test('a_crate_in_two_generations_is_found_unless_it_is_known', () => {
	assert.match(checkDuplicates(twice(), {})[0] ?? '', /^http is in one program as 0\.2 and 1\b/);
	assert.deepEqual(
		checkDuplicates(twice(), { http: { versions: ['0.2', '1'], reason: 'a test' } }),
		[]
	);
});

test('a_known_duplicate_that_has_changed_or_gone_is_found', () => {
	const other = { http: { versions: ['0.1', '1'], reason: 'a test' } };
	assert.match(checkDuplicates(twice(), other)[0] ?? '', /^http is in one program as 0\.2 and 1\b/);
	const once = graph({ 'server 0.1.0': { kind: 'bin', needs: ['http 1.1.0'] }, 'http 1.1.0': {} }, [
		'server 0.1.0'
	]);
	assert.match(checkDuplicates(once, other)[0] ?? '', /^http is no longer there twice/);
});

test('what_works_at_build_time_only_is_not_in_the_program', () => {
	assert.deepEqual(checkDuplicates(twice({ kind: 'proc-macro' }), {}), []);
});

test('a_module_without_its_sentence_is_named', async (context) => {
	const root = await mkdtemp(join(tmpdir(), 'duplex-rules-'));
	context.after(() => rm(root, { recursive: true }));
	const files = {
		'crates/a/src/lib.rs': '//! Owns everything.\n',
		'crates/a/src/late.rs': 'use std::io;\n//! Too late.\n',
		'crates/a/src/empty.rs': '//!\nfn nothing() {}\n',
		'crates/b/tests/it/main.rs': 'fn main() {}\n',
		'crates/b/notes.txt': 'no module'
	};
	for (const [file, text] of Object.entries(files)) {
		await mkdir(dirname(join(root, file)), { recursive: true });
		await writeFile(join(root, file), text);
	}
	const named = (await checkModuleDocs(root)).map((problem) => problem.split(' ')[0]);
	assert.deepEqual(named, [
		'crates/a/src/empty.rs',
		'crates/a/src/late.rs',
		'crates/b/tests/it/main.rs'
	]);
});
