// @ts-check
/** Every Rust module opens with what it owns and what it leaves to others. */
import { readFile, readdir } from 'node:fs/promises';
import { join, relative } from 'node:path';

/**
 * @param {string} root
 * @returns {Promise<string[]>} What is wrong.
 */
export async function checkModuleDocs(root) {
	const entries = await readdir(join(root, 'crates'), { recursive: true, withFileTypes: true });
	const modules = entries
		.filter((entry) => entry.isFile() && entry.name.endsWith('.rs'))
		.map((entry) => join(entry.parentPath, entry.name));
	if (modules.length === 0) return ['there is no Rust module below crates'];
	const texts = await Promise.all(modules.map((module) => readFile(module, 'utf8')));
	return modules
		.filter((_module, index) => !hasModuleDoc(texts[index] ?? ''))
		.map((module) => `${relative(root, module)} has to begin with //! and what it owns`)
		.sort();
}

/** @param {string} text */
export function hasModuleDoc(text) {
	return /^\/\/! *\S/.test(text);
}
