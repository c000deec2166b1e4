import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { precompress, table } from './precompress.js';

let site: string;

beforeEach(async () => {
	site = await mkdtemp(join(tmpdir(), 'precompress-'));
});

afterEach(() => rm(site, { recursive: true }));

test('a compressible file gets both variants, which unpack to the same bytes', async () => {
	const page = Buffer.from('<p>the same words again</p>\n'.repeat(200));
	await mkdir(join(site, 'about'));
	await writeFile(join(site, 'about/index.html'), page);

	const [sizes] = await precompress(site);

	expect(sizes?.path).toBe('about/index.html');
	expect(brotliDecompressSync(await readFile(join(site, 'about/index.html.br')))).toEqual(page);
	expect(gunzipSync(await readFile(join(site, 'about/index.html.gz')))).toEqual(page);
});

test('a variant that saves nothing is left out', async () => {
	await writeFile(join(site, 'noise.js'), randomBytes(4096));

	expect(await precompress(site)).toEqual([
		{ path: 'noise.js', identity: 4096, gzip: null, br: null }
	]);
	expect(await readdir(site)).toEqual(['noise.js']);
});

test('a small file and an already compressed type are left alone', async () => {
	await writeFile(join(site, 'small.css'), 'a'.repeat(1023));
	await writeFile(join(site, 'photo.png'), 'a'.repeat(4096));

	await precompress(site);

	expect((await readdir(site)).sort()).toEqual(['photo.png', 'small.css']);
});

test('a second run compresses the files again, but not their variants', async () => {
	await writeFile(join(site, 'app.js'), 'let same = 1;\n'.repeat(200));

	const first = await precompress(site);

	expect(await precompress(site)).toEqual(first);
	expect((await readdir(site)).sort()).toEqual(['app.js', 'app.js.br', 'app.js.gz']);
});

test('the table counts a file without a variant as itself', () => {
	const sizes = [
		{ path: 'app.js', identity: 9000, gzip: 3000, br: 2000 },
		{ path: 'icon.png', identity: 1000, gzip: null, br: null }
	];

	expect(table(sizes).split('\n')[1]).toMatch(/^2 files\s+10\.0 kB\s+4\.0 kB\s+3\.0 kB$/);
});
