import { expect, test } from 'vitest';
import { message } from './testing';
import { MAX_MESSAGES, MAX_MESSAGES_READING, Timeline } from './timeline.svelte';

const page = (ids: number[], earlier = false) => ({
	messages: ids.map((id) => message({ id })),
	earlier
});
const ids = (timeline: Timeline) => timeline.messages.map(({ id }) => id);
const range = (from: number, to: number) =>
	Array.from({ length: to - from + 1 }, (_, index) => from + index);

function opened(...newest: Parameters<typeof page>): Timeline {
	const timeline = new Timeline();
	timeline.open('lobby', page(...newest));
	return timeline;
}

test('nothing is known of a room before it is opened', () => {
	const timeline = new Timeline();

	expect(timeline.holds('lobby')).toBe(false);
	expect(timeline.add(message({ id: 1 }))).toBe(false);
	expect(timeline.messages).toEqual([]);
});

test('a message that comes twice is there once, and only the first is news', () => {
	const timeline = opened([1, 2]);

	expect(timeline.add(message({ id: 3 }))).toBe(true);
	expect(timeline.add(message({ id: 3 }))).toBe(false);
	expect(timeline.add(message({ id: 2 }))).toBe(false);
	expect(ids(timeline)).toEqual([1, 2, 3]);
});

test("the server's order holds, whatever order messages come in", () => {
	const timeline = opened([10]);
	for (const id of [14, 12, 13, 11]) timeline.add(message({ id }));

	expect(ids(timeline)).toEqual([10, 11, 12, 13, 14]);
});

test('messages of other rooms are left out', () => {
	const timeline = opened([1]);

	expect(timeline.add(message({ id: 2, room: 'kitchen' }))).toBe(false);
	expect(ids(timeline)).toEqual([1]);
});

test('another room takes the place of the one before', () => {
	const timeline = opened([1, 2], true);
	timeline.open('kitchen', { messages: [message({ id: 3, room: 'kitchen' })], earlier: false });

	expect(timeline.holds('lobby')).toBe(false);
	expect(ids(timeline)).toEqual([3]);
	expect(timeline.canGrow).toBe(false);
});

test('what comes before is put before, without what was there', () => {
	const timeline = opened([5, 6], true);
	timeline.prepend(message({ id: 5 }), page([3, 4, 5], true));
	expect(ids(timeline)).toEqual([3, 4, 5, 6]);
	expect(timeline.canGrow).toBe(true);

	timeline.prepend(message({ id: 3 }), page([1, 2]));
	expect(timeline.canGrow).toBe(false);
});

test('history that was asked for before another message, or in another room, is not shown', () => {
	const timeline = opened([5], true);
	timeline.prepend(message({ id: 3 }), page([1]));

	expect(ids(timeline)).toEqual([5]);
	expect(timeline.canGrow).toBe(true);
});

test('opened again, a room keeps what reaches up to its newest messages', () => {
	const timeline = opened(range(1, 10));
	timeline.open('lobby', page(range(8, 20), true));

	expect(ids(timeline)).toEqual(range(1, 20));
	expect(timeline.canGrow).toBe(false);
});

test('opened again, a room loses what is cut off from its newest messages', () => {
	const timeline = opened(range(1, 10));
	timeline.open('lobby', page(range(50, 60), true));

	expect(ids(timeline)).toEqual(range(50, 60));
	expect(timeline.canGrow).toBe(true);
});

test('a reply that runs ahead of the channel does not hide what is missing before it', () => {
	const timeline = opened(range(1, 10));
	timeline.add(message({ id: 100 }));
	timeline.open('lobby', page(range(51, 100), true));

	expect(ids(timeline)).toEqual(range(51, 100));
	expect(timeline.canGrow).toBe(true);
});

test('what the channel has brought up to a reply is complete', () => {
	const timeline = opened(range(1, 10));
	timeline.add(message({ id: 12 }));
	timeline.addNext(message({ id: 11 }));
	timeline.addNext(message({ id: 12 }));
	timeline.open('lobby', page(range(12, 20), true));

	expect(ids(timeline)).toEqual(range(1, 20));
});

test('a message that was published long ago, and again now, hides nothing', () => {
	const timeline = opened(range(51, 60), true);

	expect(timeline.addNext(message({ id: 7 }))).toBe(false);
	expect(timeline.add(message({ id: 7 }))).toBe(false);
	expect(ids(timeline)).toEqual(range(51, 60));

	timeline.open('lobby', page(range(58, 62), true));
	expect(ids(timeline)).toEqual(range(51, 62));
});

test('nothing is taken from somebody who reads back, within reason', () => {
	const reader = { readsBack: true };
	const timeline = new Timeline(() => reader.readsBack);
	timeline.open('lobby', page(range(1, MAX_MESSAGES)));
	for (const id of range(MAX_MESSAGES + 1, MAX_MESSAGES_READING)) timeline.addNext(message({ id }));
	expect(ids(timeline)).toEqual(range(1, MAX_MESSAGES_READING));
	expect(timeline.isFull).toBe(false);

	timeline.addNext(message({ id: MAX_MESSAGES_READING + 1 }));

	expect(timeline.messages).toHaveLength(MAX_MESSAGES);
	expect(timeline.isFull).toBe(true);
});

test('what was kept for somebody who read back is let go once they are at the end', () => {
	const reader = { readsBack: true };
	const timeline = new Timeline(() => reader.readsBack);
	timeline.open('lobby', page(range(1, MAX_MESSAGES + 100)));
	reader.readsBack = false;
	timeline.addNext(message({ id: MAX_MESSAGES + 101 }));

	expect(ids(timeline)).toEqual(range(102, MAX_MESSAGES + 101));
});

test('the oldest are let go, and can be had again', () => {
	const timeline = opened(range(1, MAX_MESSAGES));
	expect(timeline.isFull).toBe(false);

	timeline.add(message({ id: MAX_MESSAGES + 1 }));

	expect(ids(timeline)).toEqual(range(2, MAX_MESSAGES + 1));
	expect(timeline.isFull).toBe(true);
	expect(timeline.canGrow).toBe(false);
});
