/** A request that did not bring the answer it was made for. The message is fit to be shown. */
export class RequestFailed extends Error {
	override readonly name = 'RequestFailed';
}

/**
 * Sends a request to the application and returns its JSON answer, null if there is none (204).
 *
 * @throws {RequestFailed} if the server cannot be reached, refuses, or answers with something else than JSON.
 */
export async function request(method: string, path: string, body?: unknown): Promise<unknown> {
	const response = await send(method, path, body);
	if (!response.ok) throw new RequestFailed(await refusal(response));
	if (response.status === 204) return null;
	try {
		return await response.json();
	} catch {
		throw new RequestFailed(`${method} ${path} was not answered with JSON`);
	}
}

async function send(method: string, path: string, body: unknown): Promise<Response> {
	const init: RequestInit = { method, headers: { accept: 'application/json' } };
	if (body !== undefined) {
		init.headers = { ...init.headers, 'content-type': 'application/json' };
		init.body = JSON.stringify(body);
	}
	try {
		return await fetch(path, init);
	} catch {
		throw new RequestFailed('the server cannot be reached');
	}
}

/** The server's own words if they are short, otherwise the status. */
async function refusal(response: Response): Promise<string> {
	const status = `the server answered ${response.status} ${response.statusText}`.trimEnd();
	const text = (await ownWords(response).catch(() => '')).trim();
	return text.length > 0 && text.length <= 200 ? text : status;
}

/** Plain text, or the `error` of a JSON answer, which is what the application's handlers say. */
async function ownWords(response: Response): Promise<string> {
	const type = response.headers.get('content-type') ?? '';
	if (type.startsWith('text/plain')) return response.text();
	if (!type.startsWith('application/json')) return '';
	const answer: unknown = await response.json();
	const hasError = typeof answer === 'object' && answer !== null && 'error' in answer;
	return hasError && typeof answer.error === 'string' ? answer.error : '';
}
