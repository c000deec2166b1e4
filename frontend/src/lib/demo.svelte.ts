import { request, RequestFailed } from './http';
import { Journal } from './journal.svelte';
import { RawSocket, type Ending } from './raw-socket.svelte';
import { Session } from './session.svelte';

/** What the first page does: one socket, one session, and a journal of everything that happens to them. */
export class Demo {
	readonly journal = new Journal();
	readonly session = new Session();
	readonly socket = new RawSocket({
		url: () => `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}/websocket`,
		received: (data) => this.journal.add('received', readable(data)),
		opened: () => this.journal.add('connection', 'Connected'),
		interrupted: (ending) =>
			this.journal.add('connection', `No connection ${reasonOf(ending)}, trying again`),
		stopped: (ending) => this.journal.add('error', `Closed by the server ${reasonOf(ending)}`)
	});

	/** Opens the connection, or ends it and all attempts to get it back. */
	readonly toggle = (): void => {
		if (this.socket.state === 'closed') return this.socket.open();
		this.socket.close();
		this.journal.add('connection', 'Closed by this page');
	};

	/** Sends a text over the socket; false if there is no connection. */
	readonly send = (text: string): boolean => {
		const sent = this.socket.send(text);
		if (sent) this.journal.add('sent', text);
		return sent;
	};

	/** Calls the GET handler, which also speaks to every open socket. */
	readonly requestData = async (): Promise<void> => {
		try {
			this.journal.add('request', JSON.stringify(await request('GET', '/api/test')));
		} catch (error) {
			if (!(error instanceof RequestFailed)) throw error;
			this.journal.add('error', `GET /api/test: ${error.message}`);
		}
	};

	/** Renews the connection, since the server knows the visitor by the cookies of the handshake. */
	readonly identityChanged = (): void => {
		const { user } = this.session;
		this.journal.add('connection', user === null ? 'Signed out' : `Signed in as ${user}`);
		this.socket.reconnect();
	};
}

function readable(data: string | ArrayBuffer): string {
	return typeof data === 'string' ? data : `${data.byteLength} bytes of binary data`;
}

function reasonOf({ code, reason }: Ending): string {
	return reason === '' ? `(code ${code})` : `(code ${code}: ${reason})`;
}
