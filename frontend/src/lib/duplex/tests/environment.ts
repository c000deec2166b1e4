/** Lets tests run the code that is made for browsers, in Node: with effects that run, and without a document. */
import type { Environment } from 'vitest/runtime';

export default {
	name: 'browser-code-in-node',
	viteEnvironment: 'client',
	setup: () => ({ teardown: () => undefined })
} satisfies Environment;
