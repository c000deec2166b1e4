/** Calls and channels in Svelte: types and reactivity over the `centrifuge` SDK. See README.md. */
export { CallError, type Failure, type Reason } from './call-error';
export { call } from './call';
export { channel, type Channel, type ChannelOptions } from './channel.svelte';
export { connection } from './page';
export { describe } from './describe';
export { newNonce } from './nonce';
export { Optimistic } from './optimistic.svelte';
export { failureOf } from './reason';
export type {
	CallName,
	ChannelName,
	ChannelState,
	ErrorOf,
	InfoOf,
	Loadable,
	Member,
	PageConnection,
	ParamsOf,
	Position,
	Publication,
	PublicationOf,
	Recovery,
	Refusal,
	ReplyOf,
	Status
} from './types';
