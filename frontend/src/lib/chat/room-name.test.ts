import { expect, test } from 'vitest';
import { roomNameProblem, toRoomName } from './room-name';

test.each([
	['lobby', 'lobby'],
	[' #Tea  Break ', 'tea-break'],
	['ROOM-7', 'room-7'],
	['#', '']
])('%j means %j', (typed, name) => {
	expect(toRoomName(typed)).toBe(name);
});

test.each(['a', 'room-7', '-', 'x'.repeat(32)])('%j is a name', (name) => {
	expect(roomNameProblem(name)).toBeNull();
});

test.each([
	['', /a name/],
	['café', /a to z/],
	['Lobby', /a to z/],
	['two rooms', /a to z/],
	['a/b', /a to z/],
	['x'.repeat(33), /at most 32/]
])('%j is no name', (name, problem) => {
	expect(roomNameProblem(name)).toMatch(problem);
});
