/** The words of the layer: what the contract says about calls and channels, and what a page is told about its own. */
import type { Calls, Channels } from '../contract/types';

export type CallName = keyof Calls;
export type ParamsOf<Name extends CallName> = Calls[Name]['params'];
export type ReplyOf<Name extends CallName> = Calls[Name]['reply'];
/** The call's own errors, each an object with a `type`. */
export type ErrorOf<Name extends CallName> = Calls[Name]['error'];
/** What follows the name in `call`: nothing, for calls that take nothing. */
export type ArgumentsOf<Name extends CallName> =
	// Of each name by itself: of several together the params may be null, though none of them takes a null.
	Name extends CallName ? (ParamsOf<Name> extends null ? [] : [params: ParamsOf<Name>]) : never;

/** Any name that fits one of the contract's patterns, such as `chat:lobby`. */
export type ChannelName = keyof Channels;
export type PublicationOf<Name extends ChannelName> = Channels[Name]['publication'];
export type InfoOf<Name extends ChannelName> = Channels[Name]['info'];

/** A place in a channel's stream. */
export interface Position {
	epoch: string;
	offset: number;
}

/** What a channel is about, as it was at a position in the channel's stream. */
export interface Loadable {
	position: Position;
}

/** One connection in a channel; a user with three tabs is three members. */
export interface Member<Info = unknown> {
	/** The connection's id. */
	client: string;
	/** Who it is; empty for a visitor who is not signed in. */
	user: string;
	/** What the server lets others see of it in this channel. */
	info: Info;
}

export interface Publication<Data = unknown, Info = unknown> {
	data: Data;
	/** Its place in the channel's stream; null where the channel keeps none. */
	offset: number | null;
	/** Who published it, if a client did; null for what the server published. */
	info: Member<Info> | null;
}

/** Why the server said no. */
export interface Refusal {
	code: number;
	message: string;
}

export type ChannelState = 'subscribing' | 'subscribed' | 'unsubscribed';

/** How the page got on with what it missed while the connection was lost. */
export interface Recovery {
	/** `pending` until every channel has answered; then whether all of them have what they missed. */
	outcome: 'pending' | 'caught-up' | 'gap';
	/** How long the connection was lost, in milliseconds. */
	away: number;
	/** How many publications came late, in all channels together. */
	missed: number;
}

export type Status =
	/** Nothing has asked for the connection yet. */
	| { state: 'idle' }
	| { state: 'connecting' }
	/** `recovery` is null until a connection has been lost and regained. */
	| { state: 'connected'; recovery: Recovery | null }
	/** Times are milliseconds since 1970; `retryAt` is null while an attempt is under way. */
	| { state: 'reconnecting'; lostAt: number; retryAt: number | null }
	/** Ended for good until `reconnect` is called: by this page (code 0), for a fault (below 100), or by the server. */
	| { state: 'closed'; code: number; reason: string };

/** A page's connection. It opens by itself when the first call or channel needs it, and comes back by itself. */
export interface PageConnection {
	readonly status: Status;
	/** The id of the front-end build that the server serves; null before it has said, and in development. */
	readonly build: string | null;
	/** Who the server takes this page for; null before it has said, and for a visitor who is not signed in. */
	readonly user: string | null;
	/**
	 * Replaces the connection, as the server knows a visitor by the cookies of the handshake, and asks again for channels that
	 * were refused. Does nothing if nothing has asked for a connection yet.
	 */
	reconnect(): void;
	/** Ends the connection until `reconnect`; calls fail meanwhile. */
	close(): void;
}
