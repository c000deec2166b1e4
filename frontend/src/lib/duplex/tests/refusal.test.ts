import { expect, test } from 'vitest';
import { failureOf } from '../reason';

test.each([
	[101, { type: 'signed_out' }],
	[103, { type: 'denied' }],
	[409, { type: 'changed' }],
	[106, { type: 'failed', code: 106, message: 'too many' }]
])('a channel refused with %d', (code, failure) => {
	expect(failureOf({ code, message: 'too many' })).toEqual(failure);
});
