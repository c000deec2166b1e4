import { describe, expectTypeOf, test } from 'vitest';
import type { Message, OpenedRoom, Room, SendError, Typing } from '../../contract/types';
import { call, CallError, channel, type Failure, type Member, type Publication } from '..';

const opened = () => call('chat.open', { room: 'lobby' });

/** Checked by the type checker, and not run: there is no server. */
const unrun = (check: () => unknown) => void check;

describe('a call', () => {
	test('takes its params, or nothing where they are null', () => {
		expectTypeOf(call<'chat.rooms'>).parameters.toEqualTypeOf<[name: 'chat.rooms']>();
		expectTypeOf(call<'chat.open'>).parameters.toEqualTypeOf<
			[name: 'chat.open', params: { room: string }]
		>();
	});

	test('brings its reply', () => {
		unrun(() => expectTypeOf(call('chat.rooms')).toEqualTypeOf<Promise<Room[]>>());
		unrun(() =>
			expectTypeOf(call('chat.send', { room: 'lobby', text: 'hello', nonce: '' })).toEqualTypeOf<
				Promise<Message>
			>()
		);
	});

	test('does not compile with a wrong name, or wrong params', () => {
		// @ts-expect-error There is no such call.
		unrun(() => call('chat.nothing'));
		// @ts-expect-error It takes nothing.
		unrun(() => call('chat.rooms', { room: 'lobby' }));
		// @ts-expect-error It takes something.
		unrun(() => call('chat.open'));
		// @ts-expect-error There is no such field.
		unrun(() => call('chat.open', { room: 'lobby', rooms: 'lobby' }));
		// @ts-expect-error A field is missing.
		unrun(() => call('chat.send', { room: 'lobby', text: 'hello' }));
		// @ts-expect-error One of them takes something, and the other nothing.
		unrun((name: 'chat.open' | 'chat.rooms' = 'chat.rooms') => call(name, null));
		// @ts-expect-error A field has another type.
		unrun(() => call('chat.earlier', { room: 'lobby', before: '5' }));
	});

	test('does not compile with a field that the reply has not', () => {
		// @ts-expect-error There is no such field.
		unrun(async () => (await call('chat.rooms'))[0]?.title);
	});
});

describe('the failure of a call', () => {
	test('has its own errors, and those that all calls have', () => {
		unrun((error: unknown = null) => {
			if (!CallError.is('chat.send', error)) return;
			expectTypeOf(error.reason).toEqualTypeOf<SendError | Failure>();
			if (error.reason.type === 'too_long') {
				expectTypeOf(error.reason.limit).toEqualTypeOf<number>();
			}
		});
	});

	test('has no others', () => {
		unrun((error: unknown = null) => {
			if (!CallError.is('chat.rooms', error)) return;
			expectTypeOf(error.reason).toEqualTypeOf<Failure>();
			// @ts-expect-error That call has no such error.
			return error.reason.type === 'too_long';
		});
		// @ts-expect-error There is no such call.
		unrun(() => CallError.is('chat.nothing', null));
	});

	test('may be that of any call', () => {
		unrun((error: unknown = null) => {
			if (!(error instanceof CallError)) return;
			expectTypeOf<SendError | Failure>().toExtend<typeof error.reason>();
		});
	});
});

describe('a channel', () => {
	test('has the publications and members of its kind', () => {
		unrun(() => {
			const room = channel('chat:lobby');
			expectTypeOf(room.publications).toEqualTypeOf<readonly Publication<Message, null>[]>();
			expectTypeOf(room.members).toEqualTypeOf<readonly Member<null>[]>();
			expectTypeOf(room.publish).parameters.toEqualTypeOf<[data: Message]>();
		});
	});

	test('may have a name that changes', () => {
		unrun((name = 'lobby') => {
			const typing = channel(() => `typing:${name}`);
			expectTypeOf(typing.publications).toEqualTypeOf<readonly Publication<Typing, null>[]>();
		});
	});

	test('tells its listener what is published', () => {
		unrun(() =>
			channel('typing:lobby', {
				received: (publication) =>
					expectTypeOf(publication).toEqualTypeOf<Publication<Typing, null>>()
			})
		);
	});

	test('gives what it loads to whoever takes it', () => {
		unrun((room = 'lobby') =>
			channel(() => `chat:${room}`, {
				load: () => call('chat.open', { room }),
				loaded: (opened) => expectTypeOf(opened).toEqualTypeOf<OpenedRoom>(),
				received: ({ data }) => expectTypeOf(data).toEqualTypeOf<Message>()
			})
		);
		unrun(() =>
			channel('chat:lobby', {
				received: ({ data }) => expectTypeOf(data).toEqualTypeOf<Message>(),
				load: async (signal) => {
					const { position } = await call('chat.open', { room: 'lobby' });
					return { position, isLate: signal.aborted };
				},
				loaded: ({ isLate }) => expectTypeOf(isLate).toEqualTypeOf<boolean>()
			})
		);
		// @ts-expect-error The state has no such field.
		unrun(() => channel('chat:lobby', { load: opened, loaded: ({ title }) => void title }));
	});

	test('does not compile with a name of no kind, or other data', () => {
		// @ts-expect-error There is no such kind.
		unrun(() => channel('news:lobby'));
		// @ts-expect-error The kind needs a name behind the colon.
		unrun(() => channel('chat'));
		// @ts-expect-error Other data.
		unrun(() => channel('typing:lobby').publish({ typing: 'yes' }));
		// @ts-expect-error Without a position it is not known what the state lacks.
		unrun(() => channel('typing:lobby', { load: () => Promise.resolve({ typists: [] }) }));
	});
});
