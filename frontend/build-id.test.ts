import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { buildId } from './build-id';

let directory: string;

beforeEach(async () => {
	directory = await mkdtemp(join(tmpdir(), 'build-id-'));
	await mkdir(join(directory, 'src/lib'), { recursive: true });
	await mkdir(join(directory, 'static'));
	await writeFile(join(directory, 'src/lib/page.ts'), 'one');
	await writeFile(join(directory, 'static/icon.svg'), '<svg/>');
	await writeFile(join(directory, 'package-lock.json'), '{}');
});

afterEach(() => rm(directory, { recursive: true }));

test('the same sources have the same name', async () => {
	const before = buildId(directory, {});
	await writeFile(join(directory, 'src/lib/page.ts'), 'one');

	expect(buildId(directory, {})).toBe(before);
	expect(before).toMatch(/^[0-9a-f]{16}$/);
});

test.each([
	'src/lib/page.ts',
	'src/new.ts',
	'src/lib/contest.ts',
	'src/lib/fastesttests.ts',
	'src/lib/types.ts',
	'static/icon.svg',
	'static/notes.md',
	'package-lock.json',
	'vite.config.ts'
])('a change of %s makes another build', async (path) => {
	const before = buildId(directory, {});
	await writeFile(join(directory, path), 'two');

	expect(buildId(directory, {})).not.toBe(before);
});

test.each([
	'src/lib/page.test.ts',
	'src/lib/testing.ts',
	'src/lib/README.md',
	'src/lib/tests/server.ts',
	'src/lib/examples/Chat.svelte',
	'src/app.d.ts',
	'src/lib/contract/types.ts'
])('a change of %s, which is not served, makes no difference', async (path) => {
	const before = buildId(directory, {});
	await mkdir(dirname(join(directory, path)), { recursive: true });
	await writeFile(join(directory, path), 'two');

	expect(buildId(directory, {})).toBe(before);
});

test('a renamed file makes another build', async () => {
	const before = buildId(directory, {});
	await rename(join(directory, 'src/lib/page.ts'), join(directory, 'src/lib/other.ts'));

	expect(buildId(directory, {})).not.toBe(before);
});

test('what a build leaves behind makes no difference', async () => {
	const before = buildId(directory, {});
	await mkdir(join(directory, 'build'));
	await writeFile(join(directory, 'build/index.html'), '<p>');

	expect(buildId(directory, {})).toBe(before);
});

test('variables count if pages can see them', () => {
	const before = buildId(directory, {});

	expect(buildId(directory, { SESSION_SECRET: 'x', HOME: '/' })).toBe(before);
	expect(buildId(directory, { PUBLIC_NAME: 'x' })).not.toBe(before);
	expect(buildId(directory, { PUBLIC_NAME: 'x' })).not.toBe(
		buildId(directory, { PUBLIC_NAME: 'y' })
	);
});

test('a name that is chosen is taken as it is', () => {
	expect(buildId(directory, { DUPLEX_BUILD_ID: 'v1.2.3' })).toBe('v1.2.3');
	expect(buildId(directory, { DUPLEX_BUILD_ID: '' })).toBe(buildId(directory, {}));
});
