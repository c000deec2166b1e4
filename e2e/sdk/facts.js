// @ts-check
/**
 * What an SDK of the Centrifuge client protocol can do with the server. Runs in Node and in a page; python/facts.py says
 * the same of the SDK for Python, under the same names.
 */
import { until } from '../harness/wait.js';
import { equal } from './equal.js';
import { inSeconds, sign } from './server-api.js';

/** How long the tokens are valid that have to be renewed: the shortest time that is never over when it arrives. */
const SHORT_S = 2;
const LONG_S = 3600;

/** @type {Record<string, (stage: import('./stage.js').Stage) => Promise<void>>} */
export const facts = {
	async a_token_says_who_is_connected(stage) {
		const token = await sign({ sub: 'ada', exp: inSeconds(LONG_S), info: { name: 'Ada' } });
		const ada = stage.visitor({ token });
		await ada.connect();
		const { sdk } = await ada.subscribe(stage.channel);
		const { clients } = await sdk.presence();
		equal(Object.keys(clients), [ada.id]);
		const { client, user, connInfo } = clients[ada.id] ?? {};
		equal([client, user, connInfo], [ada.id, 'ada', { name: 'Ada' }]);
	},

	async without_a_token_the_user_is_nobody(stage) {
		const nobody = stage.visitor();
		await nobody.connect();
		const { sdk } = await nobody.subscribe(stage.channel);
		const { clients } = await sdk.presence();
		equal(clients, { [nobody.id]: { client: nobody.id, user: '' } });
	},

	async a_forged_token_is_refused_for_good(stage) {
		const forger = stage.visitor({ token: await sign({ sub: 'ada' }, 'another secret') });
		forger.sdk.connect();
		await until('the refusal', () => forger.disconnected.length > 0);
		equal(forger.disconnected, [{ code: 3500, reason: 'invalid token' }]);
		equal(forger.connected, []);
	},

	async an_expired_token_is_replaced_by_a_new_one(stage) {
		let asked = 0;
		const ada = stage.visitor({
			token: await sign({ sub: 'ada', exp: inSeconds(-60) }),
			getToken: () => {
				asked += 1;
				return sign({ sub: 'ada', exp: inSeconds(LONG_S) });
			}
		});
		await ada.connect();
		equal(asked, 1);
		equal(
			ada.errors.map(({ error }) => error.code),
			[109]
		);
	},

	async a_publication_comes_back_to_its_publisher(stage) {
		const ada = await stage.connected();
		const listener = await ada.subscribe(stage.channel);
		await listener.sdk.publish({ text: 'grüß dich', numbers: [1, 2.5, -3] });
		await listener.hasReceived([{ text: 'grüß dich', numbers: [1, 2.5, -3] }]);
		const [publication] = listener.publications;
		equal([publication?.offset, publication?.info], [1, { client: ada.id, user: 'ada' }]);
	},

	async publications_reach_every_subscriber_in_order(stage) {
		const [ada, bob] = await Promise.all([stage.connected('ada'), stage.connected('bob')]);
		const listeners = [await ada.subscribe(stage.channel), await bob.subscribe(stage.channel)];
		const numbers = Array.from({ length: 50 }, (_, number) => number);
		await Promise.all(numbers.map((number) => ada.sdk.publish(stage.channel, number)));
		for (const listener of listeners) await listener.hasReceived(numbers);
	},

	async an_unknown_namespace_ends_the_subscription(stage) {
		const ada = await stage.connected();
		const listener = ada.listener(`nowhere:${stage.channel}`);
		listener.sdk.subscribe();
		await until('the refusal', () => listener.unsubscribed.length > 0);
		equal(
			listener.unsubscribed.map(({ code }) => code),
			[102]
		);
		equal(listener.subscribed, []);
	},

	async a_remote_procedure_returns_what_it_is_given(stage) {
		const ada = await stage.connected();
		const data = { text: 'grüß dich', nested: [{ deep: true }, null] };
		equal(await ada.sdk.rpc('echo', data), { data });
	},

	async an_unknown_remote_procedure_is_an_error_that_the_connection_survives(stage) {
		const ada = await stage.connected();
		const { code } = await refusal(ada.sdk.rpc('nothing of that name', {}));
		equal(code, 108);
		equal(await ada.sdk.rpc('echo', 'still here'), { data: 'still here' });
		equal(ada.connected.length, 1);
	},

	async presence_names_every_connection_and_counts_every_user(stage) {
		const [ada, again, bob] = await Promise.all(
			['ada', 'ada', 'bob'].map((user) => stage.connected(user))
		);
		if (!ada || !again || !bob) throw new Error('somebody is missing');
		for (const visitor of [ada, again, bob]) await visitor.subscribe(stage.channel);
		const { clients } = await ada.sdk.presence(stage.channel);
		equal(clients, {
			[ada.id]: { client: ada.id, user: 'ada' },
			[again.id]: { client: again.id, user: 'ada' },
			[bob.id]: { client: bob.id, user: 'bob' }
		});
		equal(await bob.sdk.presenceStats(stage.channel), { numClients: 3, numUsers: 2 });
	},

	async who_comes_and_goes_is_told_to_those_who_ask(stage) {
		const [ada, bob] = await Promise.all([stage.connected('ada'), stage.connected('bob')]);
		const asking = await ada.subscribe(stage.channel, { joinLeave: true });
		const silent = await bob.subscribe(stage.channel);
		await until('the news of the coming', () => asking.joined.includes('bob'));
		silent.sdk.unsubscribe();
		await until('the news of the going', () => asking.left.includes('bob'));
		equal([silent.joined, silent.left], [[], []]);
	},

	async history_is_read_from_either_end_and_from_a_position(stage) {
		const ada = await stage.connected();
		const { sdk } = await ada.subscribe(stage.channel);
		for (const data of ['one', 'two', 'three']) await sdk.publish(data);
		/** @param {import('centrifuge').HistoryOptions} options */
		const read = async (options) => {
			const { publications } = await sdk.history(options);
			return publications.map(({ offset, data }) => [offset, data]);
		};
		const { publications, offset, epoch } = await sdk.history({ limit: 0 });
		equal([publications, offset], [[], 3]);
		equal(await read({ limit: 10 }), [
			[1, 'one'],
			[2, 'two'],
			[3, 'three']
		]);
		equal(await read({ limit: 1, since: { offset: 1, epoch } }), [[2, 'two']]);
		equal(await read({ limit: 2, reverse: true }), [
			[3, 'three'],
			[2, 'two']
		]);
		equal(await stage.api.publish(stage.channel, 'four'), { offset: 4, epoch });
	},

	async what_was_published_while_a_client_was_away_is_recovered(stage) {
		const ada = await stage.connected();
		const listener = await ada.subscribe(stage.channel);
		await stage.api.publish(stage.channel, 'before');
		await listener.hasReceived(['before']);
		ada.sdk.disconnect();
		for (const data of ['one', 'two', 'three']) await stage.api.publish(stage.channel, data);
		await ada.connect();
		await listener.hasReceived(['before', 'one', 'two', 'three']);
		await stage.api.publish(stage.channel, 'after');
		await listener.hasReceived(['before', 'one', 'two', 'three', 'after']);
		equal(
			listener.publications.map(({ offset }) => offset),
			[1, 2, 3, 4, 5]
		);
		equal(listener.recoveries, [
			[false, false],
			[true, true]
		]);
	},

	async a_dropped_client_comes_back_by_itself_and_misses_nothing(stage) {
		const channel = `recovery:${stage.channel}`;
		const ada = await stage.connected();
		const listener = await ada.subscribe(channel);
		await stage.api.publish(channel, 'before');
		await listener.hasReceived(['before']);
		const before = ada.id;
		await stage.api.disconnect('ada', { code: 3011, reason: 'force reconnect' });
		await until('the drop', () => ada.connecting.length === 2);
		for (const data of ['one', 'two', 'three']) await stage.api.publish(channel, data);
		await until('the return', () => ada.connected.length === 2);
		await listener.hasReceived(['before', 'one', 'two', 'three']);
		await stage.api.publish(channel, 'after');
		await listener.hasReceived(['before', 'one', 'two', 'three', 'after']);
		equal(listener.recoveries, [
			[false, false],
			[true, true]
		]);
		equal(ada.connecting[1], { code: 3011, reason: 'force reconnect' });
		equal(ada.id === before, false);
	},

	async what_history_no_longer_has_is_said_to_be_lost(stage) {
		const channel = `smallhistory:${stage.channel}`;
		const ada = await stage.connected();
		const listener = await ada.subscribe(channel);
		await stage.api.publish(channel, 'before');
		await listener.hasReceived(['before']);
		ada.sdk.disconnect();
		for (const data of ['one', 'two', 'three']) await stage.api.publish(channel, data);
		await ada.connect();
		await until('the subscription', () => listener.subscribed.length === 2);
		await stage.api.publish(channel, 'after');
		await listener.hasReceived(['before', 'after']);
		equal(listener.recoveries, [
			[false, false],
			[true, false]
		]);
		equal(listener.subscribed[1]?.streamPosition?.offset, 4);
	},

	async a_client_that_is_thrown_out_stays_out(stage) {
		const ada = await stage.connected();
		await stage.api.disconnect('ada');
		await until('the end', () => ada.disconnected.length > 0);
		equal(ada.disconnected, [{ code: 3503, reason: 'force disconnect' }]);
		equal(ada.connecting.length, 1);
	},

	async a_token_is_renewed_while_the_connection_stays(stage) {
		let asked = 0;
		const ada = stage.visitor({
			getToken: () => {
				asked += 1;
				return sign({ sub: 'ada', exp: inSeconds(asked > 2 ? LONG_S : SHORT_S) });
			}
		});
		await ada.connect();
		// The third is asked for only when the server has taken the second and said how long it lasts.
		await until('the third token', () => asked === 3);
		equal(await ada.sdk.rpc('echo', 'still here'), { data: 'still here' });
		equal([ada.connecting.length, ada.connected.length, ada.errors], [1, 1, []]);
	},

	async a_subscription_token_is_renewed_while_the_subscription_stays(stage) {
		let asked = 0;
		const ada = await stage.connected();
		const listener = await ada.subscribe(stage.channel, {
			getToken: ({ channel }) => {
				asked += 1;
				const exp = inSeconds(asked > 2 ? LONG_S : SHORT_S);
				return sign({ sub: 'ada', channel, exp, info: { seat: 7 } });
			}
		});
		const { clients } = await listener.sdk.presence();
		equal(clients[ada.id]?.chanInfo, { seat: 7 });
		await until('the third token', () => asked === 3);
		await listener.sdk.publish('still here');
		await listener.hasReceived(['still here']);
		equal([listener.subscribed.length, listener.unsubscribed, ada.connected.length], [1, [], 1]);
	},

	async the_server_subscribes_a_user_and_ends_that_again(stage) {
		const ada = await stage.connected();
		await stage.api.subscribe('ada', stage.channel);
		await until('the subscription', () => ada.subscribed.length > 0);
		await stage.api.publish(stage.channel, 'pushed');
		await until('the publication', () => ada.publications.length > 0);
		await stage.api.unsubscribe('ada', stage.channel);
		await until('its end', () => ada.unsubscribed.length > 0);
		equal([ada.subscribed, ada.unsubscribed], [[stage.channel], [stage.channel]]);
		equal(
			ada.publications.map(({ channel, data }) => [channel, data]),
			[[stage.channel, 'pushed']]
		);
	},

	async the_server_ends_a_subscription_of_the_client(stage) {
		const ada = await stage.connected();
		const listener = await ada.subscribe(stage.channel);
		await stage.api.unsubscribe('ada', stage.channel);
		await until('its end', () => listener.unsubscribed.length > 0);
		equal(
			listener.unsubscribed.map(({ code }) => code),
			[2000]
		);
		equal(ada.disconnected, []);
	},

	async a_client_that_disconnects_is_gone(stage) {
		const [ada, bob] = await Promise.all([stage.connected('ada'), stage.connected('bob')]);
		for (const visitor of [ada, bob]) await visitor.subscribe(stage.channel);
		equal(await bob.sdk.presenceStats(stage.channel), { numClients: 2, numUsers: 2 });
		ada.sdk.disconnect();
		equal(ada.disconnected, [{ code: 0, reason: 'disconnect called' }]);
		const alone = async () => {
			const { numClients } = await bob.sdk.presenceStats(stage.channel);
			return numClients === 1;
		};
		await until('the presence to end', alone);
	}
};

/**
 * What the server says no with.
 *
 * @param {Promise<unknown>} call
 * @returns {Promise<import('centrifuge').Error>}
 */
async function refusal(call) {
	const nothing = Symbol();
	const error = await call.then(
		() => nothing,
		(error) => error
	);
	if (error === nothing) throw new Error('the server did not refuse');
	return error;
}
