import { expect, test } from 'vitest';
import { isPassing, isUnreachable, reasonOf, sdkError } from '../reason';

test.each([
	[101, 'unauthorized', { type: 'signed_out' }],
	[103, 'permission denied', { type: 'denied' }],
	[104, 'method not found', { type: 'changed' }],
	[107, 'text: missing field', { type: 'malformed', message: 'text: missing field' }],
	[409, 'conflict', { type: 'changed' }],
	[400, '{"type":"too_long","limit":2}', { type: 'too_long', limit: 2 }],
	[111, 'too many requests', { type: 'failed', code: 111, message: 'too many requests' }]
])('code %i means what the protocol says', (code, message, reason) => {
	expect(reasonOf({ code, message })).toEqual(reason);
});

test.each(['no JSON', '"text"', 'null', '[]', '{"limit":2}', '{"type":5}'])(
	'a refusal that is no error of the contract is a failure: %s',
	(message) => {
		expect(reasonOf({ code: 400, message })).toEqual({ type: 'failed', code: 400, message });
	}
);

test.each([1, 2, 3, 4, 10, 11])('with code %i the SDK says that no answer came', (code) => {
	expect(isUnreachable({ code, message: '' })).toBe(true);
	expect(reasonOf({ code, message: '' })).toEqual({ type: 'unreachable' });
});

test.each([0, 5, 7, 12, 100, 3000])('code %i is no missing answer', (code) => {
	expect(isUnreachable({ code, message: '' })).toBe(false);
});

test.each([
	[true, { code: 1, message: 'timeout' }],
	[true, { code: 100, message: 'internal server error', temporary: true }],
	[false, { code: 108, message: 'not available', temporary: false }],
	[false, { code: 103, message: 'permission denied' }],
	[false, null]
])('whether it passes is %s of %o', (passes, error) => {
	expect(isPassing(error)).toBe(passes);
});

test.each([
	[new TypeError('oops'), { code: 0, message: 'oops' }],
	[
		{ code: 5, message: 'five' },
		{ code: 5, message: 'five' }
	],
	[{ code: '5' }, { code: 0, message: '[object Object]' }],
	['text', { code: 0, message: 'text' }],
	[null, { code: 0, message: 'null' }],
	[undefined, { code: 0, message: 'undefined' }]
])('whatever is thrown has a code and a message: %o', (thrown, error) => {
	expect(sdkError(thrown)).toEqual(error);
});
