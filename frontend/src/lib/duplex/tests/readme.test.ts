import { readFileSync, readdirSync } from 'node:fs';
import { expect, test } from 'vitest';

const folder = new URL('..', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, folder), 'utf8');

const blocks = [...read('README.md').matchAll(/^```(.*)\n([^]*?)^```$/gm)].map(
	([, heading = '', text = '']) => ({ file: heading.split(' ')[1] ?? '(no file)', text })
);

test.each(blocks)('the README shows $file as the type checker sees it', ({ file, text }) => {
	expect(text).toBe(read(file));
});

test('every example is in the README', () => {
	const examples = readdirSync(new URL('examples', folder)).map((name) => `examples/${name}`);
	expect(blocks.map(({ file }) => file).sort()).toEqual(examples.sort());
});

test('the chat fits in thirty lines', () => {
	expect(read('examples/Chat.svelte').trimEnd().split('\n').length).toBeLessThanOrEqual(30);
});
