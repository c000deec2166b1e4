// @ts-check
/** A client and its subscriptions that remember what the SDK has told them. Runs in Node and in a page. */
import { PATIENCE_MS, until } from '../harness/wait.js';
import { equal } from './equal.js';

/** One client of the SDK. */
export class Visitor {
	/** @type {import('centrifuge').Centrifuge} */
	sdk;
	/** @type {import('centrifuge').ConnectingContext[]} */
	connecting = [];
	/** @type {import('centrifuge').ConnectedContext[]} */
	connected = [];
	/** @type {import('centrifuge').DisconnectedContext[]} */
	disconnected = [];
	/** @type {import('centrifuge').ErrorContext[]} */
	errors = [];
	/** What the server has subscribed the client to. @type {string[]} */
	subscribed = [];
	/** What the server has ended of that. @type {string[]} */
	unsubscribed = [];
	/** What came from there. @type {import('centrifuge').ServerPublicationContext[]} */
	publications = [];

	/** @param {import('centrifuge').Centrifuge} sdk */
	constructor(sdk) {
		this.sdk = sdk;
		sdk.on('connecting', (context) => this.connecting.push(context));
		sdk.on('connected', (context) => this.connected.push(context));
		sdk.on('disconnected', (context) => this.disconnected.push(context));
		sdk.on('error', (context) => this.errors.push(context));
		sdk.on('subscribed', ({ channel }) => this.subscribed.push(channel));
		sdk.on('unsubscribed', ({ channel }) => this.unsubscribed.push(channel));
		sdk.on('publication', (context) => this.publications.push(context));
	}

	/** The identifier of the present connection. */
	get id() {
		const context = this.connected.at(-1);
		if (context === undefined) throw new Error('the client has never been connected');
		return context.client;
	}

	/** Connects, and waits until that is done. */
	async connect() {
		this.sdk.connect();
		await this.sdk.ready(PATIENCE_MS);
	}

	/**
	 * Subscribes, and waits until that is done.
	 *
	 * @param {string} channel
	 * @param {import('centrifuge').SubscriptionOptions} [options]
	 */
	async subscribe(channel, options) {
		const listener = this.listener(channel, options);
		listener.sdk.subscribe();
		await listener.sdk.ready(PATIENCE_MS);
		return listener;
	}

	/**
	 * Prepares a subscription.
	 *
	 * @param {string} channel
	 * @param {import('centrifuge').SubscriptionOptions} [options]
	 */
	listener(channel, options) {
		return new Listener(this.sdk.newSubscription(channel, options));
	}
}

/** One subscription of a client. */
export class Listener {
	/** @type {import('centrifuge').Subscription} */
	sdk;
	/** @type {import('centrifuge').SubscribedContext[]} */
	subscribed = [];
	/** @type {import('centrifuge').UnsubscribedContext[]} */
	unsubscribed = [];
	/** @type {import('centrifuge').PublicationContext[]} */
	publications = [];
	/** The users who came. @type {string[]} */
	joined = [];
	/** The users who went. @type {string[]} */
	left = [];

	/** @param {import('centrifuge').Subscription} sdk */
	constructor(sdk) {
		this.sdk = sdk;
		sdk.on('subscribed', (context) => this.subscribed.push(context));
		sdk.on('unsubscribed', (context) => this.unsubscribed.push(context));
		sdk.on('publication', (context) => this.publications.push(context));
		sdk.on('join', ({ info }) => this.joined.push(info.user));
		sdk.on('leave', ({ info }) => this.left.push(info.user));
	}

	/** How each time of subscribing went: [whether something was to be recovered, whether it was]. */
	get recoveries() {
		return this.subscribed.map(({ wasRecovering, recovered }) => [wasRecovering, recovered]);
	}

	/** Waits until so many publications have come in all, and fails if they are not these. @param {unknown[]} expected */
	async hasReceived(expected) {
		await until(
			`${expected.length} publications`,
			() => this.publications.length >= expected.length
		);
		equal(
			this.publications.map(({ data }) => data),
			expected
		);
	}
}
