/**
 * Shows in the browser what stands in the way of the latest Rust code: dev-server says it in lines of JSON on Vite's
 * standard input, and every page puts Vite's own error overlay up or takes it down, without being loaded again.
 *
 * It does nothing unless dev-server runs Vite.
 */
import type { NormalizedHotChannelClient, Plugin, ViteDevServer } from 'vite';

/** What dev-server says. */
type Message = { event: 'duplex:error'; data: Problem } | { event: 'duplex:ok' };

/** What the overlay shows. */
interface Problem {
	title: string;
	package: string | null;
	place: { file: string; line: number; column: number } | null;
	text: string;
}

const overlayModule = 'virtual:duplex-overlay';
const resolvedOverlayModule = `\0${overlayModule}`;

export function duplex(): Plugin {
	let importOverlay = '';
	return {
		name: 'duplex',
		apply: (_config, { command }) =>
			command === 'serve' && process.env['DUPLEX_DEV_SERVER'] === '1',
		configResolved(config) {
			const { hmr } = config.server;
			const hasOverlay = hmr !== false && (typeof hmr !== 'object' || hmr.overlay !== false);
			importOverlay = hasOverlay ? `\nimport('${overlayModule}');\n` : '';
		},
		configureServer: passOn,
		resolveId: (id) => (id === overlayModule ? resolvedOverlayModule : undefined),
		load: (id) => (id === resolvedOverlayModule ? overlay : undefined),
		// SvelteKit writes its pages itself, past `transformIndexHtml`; Vite's client is in all of them.
		transform: (code, id) =>
			id.endsWith('/vite/dist/client/client.mjs') ? code + importOverlay : undefined
	};
}

/** Tells the pages: those that are open when something is said, and those that ask when they are loaded. */
function passOn(server: ViteDevServer): void {
	const pages = server.environments.client.hot;
	const line = supervisorLine();
	const listener = (message: Message) => tell(pages, message);
	line.listeners.add(listener);
	server.httpServer?.once('close', () => line.listeners.delete(listener));
	pages.on('duplex:hello', (_data: unknown, page: NormalizedHotChannelClient) =>
		tell(page, line.latest)
	);
}

/** `audience` is one page, or all of them. */
function tell(audience: Pick<NormalizedHotChannelClient, 'send'>, message: Message): void {
	audience.send(message.event, message.event === 'duplex:error' ? message.data : undefined);
}

interface SupervisorLine {
	latest: Message;
	listeners: Set<(message: Message) => void>;
}

const lineKey = Symbol.for('duplex.supervisor-line');

/** Standard input is read once per process, while Vite starts its server anew whenever its settings change. */
function supervisorLine(): SupervisorLine {
	const process_ = globalThis as { [lineKey]?: SupervisorLine };
	return (process_[lineKey] ??= readLine());
}

function readLine(): SupervisorLine {
	const line: SupervisorLine = { latest: { event: 'duplex:ok' }, listeners: new Set() };
	let rest = '';
	process.stdin.setEncoding('utf8').on('data', (text: string) => {
		const messages = (rest + text).split('\n');
		rest = messages.pop() ?? '';
		for (const message of messages) {
			line.latest = JSON.parse(message) as Message;
			for (const listener of line.listeners) listener(line.latest);
		}
	});
	return line;
}

/**
 * Runs in the page. Before Vite applies an update, it takes every overlay for an error of its own: it closes it, or even
 * loads the page again if the update is the first one. So ours is taken down before and put up again after.
 */
const overlay = `
import { ErrorOverlay } from '/@vite/client';

let problem;
let element;
let isHidden = false;

function takeDown() {
	element?.close();
	element = undefined;
}

function putUp() {
	takeDown();
	const { title, package: name, place, text } = problem;
	element = new ErrorOverlay({
		plugin: name ? 'cargo, ' + name : 'dev-server',
		message: title,
		id: place?.file,
		loc: place ?? undefined,
		stack: text
	});
	document.body.append(element);
}

function hide() {
	isHidden ||= element?.isConnected ?? false;
}

import.meta.hot.on('duplex:error', (data) => {
	problem = data;
	putUp();
});
import.meta.hot.on('duplex:ok', () => {
	problem = undefined;
	takeDown();
});
import.meta.hot.on('vite:error', hide);
import.meta.hot.on('vite:beforeUpdate', () => {
	hide();
	takeDown();
});
import.meta.hot.on('vite:afterUpdate', () => {
	if (isHidden && problem) putUp();
	isHidden = false;
});
import.meta.hot.send('duplex:hello');
`;
