// @ts-check
/** Requests to this machine with headers as they are given, which no browser and no `fetch` would send. */
import { request } from 'node:http';

/**
 * Sends one GET request over a connection of its own. There is no second attempt.
 *
 * @param {number} port
 * @param {string} path
 * @param {Record<string, string>} [headers]
 * @param {import('node:http').Agent | false} [agent]
 * @returns {Promise<{ status: number, body: string, headers: import('node:http').IncomingHttpHeaders }>}
 */
export function get(port, path, headers = {}, agent = false) {
	return new Promise((resolve, reject) => {
		const outgoing = request({ host: '127.0.0.1', port, path, headers, agent }, (response) => {
			response.setEncoding('utf8');
			let body = '';
			response.on('data', (part) => (body += part));
			response.on('error', reject);
			response.on('end', () => {
				resolve({ status: response.statusCode ?? 0, body, headers: response.headers });
			});
		});
		outgoing.on('error', reject);
		outgoing.end();
	});
}
