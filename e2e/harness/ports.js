// @ts-check
/** Ports of this machine. */
import { createServer } from 'node:net';

/** A port that nobody listens on, at this moment. @returns {Promise<number>} */
export async function freePort() {
	const server = await listen(0);
	const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
	await close(server);
	return port;
}

/** Whether a port can be listened on. @param {number} port */
export async function isFree(port) {
	try {
		await close(await listen(port));
		return true;
	} catch (error) {
		if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EADDRINUSE') return false;
		throw error;
	}
}

/**
 * Listens on the loopback.
 *
 * @param {number} port
 * @returns {Promise<import('node:net').Server>}
 */
export function listen(port) {
	return new Promise((resolve, reject) => {
		const server = createServer((socket) => socket.destroy());
		server.once('error', reject);
		server.listen({ port, host: '127.0.0.1' }, () => resolve(server));
	});
}

/** @param {import('node:net').Server} server */
export function close(server) {
	return new Promise((resolve) => server.close(resolve));
}
