/// <reference types="vitest/config" />
import adapter from '@sveltejs/adapter-static';
import { sveltekit } from '@sveltejs/kit/vite';
import { fileURLToPath } from 'node:url';
import { defineConfig, loadEnv, type PluginOption } from 'vite';
import { buildId } from './build-id.ts';
import { duplex } from './vite-plugin-duplex.ts';

/** The servers and the pages read the same `.env`, which lies beside the folders of both. */
const repositoryRoot = fileURLToPath(new URL('..', import.meta.url));

/** What pages can see of the environment, and what the build is to be called. */
const buildEnvironment = loadEnv('production', repositoryRoot, ['PUBLIC_', 'DUPLEX_BUILD_ID']);

/** Where the finished site goes. The build script sets another place and moves the site when it is complete. */
const buildDirectory = process.env['DUPLEX_BUILD_DIRECTORY'] ?? 'build';

const plugins: PluginOption[] = [
	duplex(),
	sveltekit({
		adapter: adapter({
			pages: buildDirectory,
			fallback: '200.html',
			// The build script writes the .br and .gz files itself, and leaves out those that save nothing.
			precompress: false
		}),
		compilerOptions: {
			runes: ({ filename }) => (filename.includes('/node_modules/') ? undefined : true)
		},
		env: { dir: repositoryRoot },
		version: { name: buildId(fileURLToPath(new URL('.', import.meta.url)), buildEnvironment) },
		typescript: {
			config: (config) => ({
				...config,
				include: [
					...config['include'],
					'../build-id.test.ts',
					'../scripts/**/*.js',
					'../scripts/**/*.ts',
					'../eslint.config.js'
				]
			})
		}
	})
];

export default defineConfig({
	plugins,
	envDir: repositoryRoot,
	// The terminal is shared with the Rust server, whose output must stay readable.
	clearScreen: false,
	server: {
		watch: { ignored: [fileURLToPath(new URL('build', import.meta.url)) + '/**'] },
		// Compiled while the browser is still opening, so that the first page comes quickly.
		warmup: { clientFiles: ['src/routes/**/*.svelte', 'src/lib/**/*.svelte'] }
	},
	build: {
		// The build script reports the sizes, of what is really served.
		reportCompressedSize: false,
		// How long the plugins take on a busy machine is no warning about this site.
		rolldownOptions: { checks: { pluginTimings: false } }
	},
	test: {
		projects: [
			{
				extends: true,
				test: {
					name: 'node',
					include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', '*.test.ts'],
					exclude: ['src/lib/duplex/**/*.browser.test.ts']
				}
			},
			{
				// As a browser would run it, with effects, but in Node and without a document.
				extends: true,
				resolve: {
					conditions: ['browser'],
					// What `ws` has for browsers is empty.
					alias: { ws: fileURLToPath(import.meta.resolve('ws')) }
				},
				test: {
					name: 'browser',
					include: ['src/lib/duplex/**/*.browser.test.ts'],
					environment: './src/lib/duplex/tests/environment.ts',
					globalSetup: './src/lib/duplex/tests/build-server.ts'
				}
			}
		]
	}
});
