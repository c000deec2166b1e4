// @ts-check
/** docs/guide.md as a program to follow: the code that it has people write, and what it says of it. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './cargo.js';

/** A fenced block: its language and its text. */
const BLOCK = /^```(\w+)\n(.*?)^```$/gms;

/** The first line of a block that is a whole file names the file, in a comment. */
const FILE = /^(?:\/\/|<!--) (\S+\/\S+\.\w+)(?: -->)?\n/;

export class Guide {
	/** The whole text. */
	text;
	/** The files to be made, by their paths. @type {Map<string, string>} */
	files = new Map();
	/** The lines to be added to the contract, and the line that they come after. */
	registration;

	/** @param {string} text */
	constructor(text) {
		this.text = text;
		const blocks = [...text.matchAll(BLOCK)].map(([, language = '', code = '']) => ({
			language,
			code
		}));
		for (const { code } of blocks) {
			const [line, file] = code.match(FILE) ?? [];
			if (line !== undefined && file !== undefined) {
				this.files.set(file, code.slice(line.length));
			}
		}
		const diff = blocks.find(({ language }) => language === 'diff')?.code.split('\n') ?? [];
		const first = diff.findIndex((line) => /^\+(?!\+)/.test(line));
		assert.ok(first > 0, 'the guide has no lines to add');
		this.registration = {
			after: `${diff[first - 1]?.slice(1)}\n`,
			lines: diff
				.slice(first)
				.filter((line) => line.startsWith('+'))
				.map((line) => `${line.slice(1)}\n`)
		};
	}

	static async read() {
		return new Guide(await readFile(join(ROOT, 'docs/guide.md'), 'utf8'));
	}

	/** What the guide has in code between two words of its text. @param {RegExp} pattern With one group. */
	said(pattern) {
		const found = this.text.match(pattern)?.[1];
		assert.ok(found !== undefined, `the guide does not say ${pattern}`);
		return found;
	}
}
