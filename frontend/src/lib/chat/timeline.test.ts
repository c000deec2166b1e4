import { expect, test } from 'vitest';
import { message } from './testing';
import { MAX_MESSAGES, Timeline } from './timeline.svelte';

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
	timeline.prepend('lobby', page([3, 4, 5], true));
	expect(ids(timeline)).toEqual([3, 4, 5, 6]);
	expect(timeline.canGrow).toBe(true);

	timeline.prepend('lobby', page([1, 2]));
	expect(timeline.canGrow).toBe(false);
});

test('history of a room that was left meanwhile is not shown in the next', () => {
	const timeline = opened([5]);
	timeline.prepend('kitchen', page([1]));

	expect(ids(timeline)).toEqual([5]);
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

test('the oldest are let go, and can be had again', () => {
	const timeline = opened(range(1, MAX_MESSAGES));
	expect(timeline.isFull).toBe(false);

	timeline.add(message({ id: MAX_MESSAGES + 1 }));

	expect(ids(timeline)).toEqual(range(2, MAX_MESSAGES + 1));
	expect(timeline.isFull).toBe(true);
	expect(timeline.canGrow).toBe(false);
});
