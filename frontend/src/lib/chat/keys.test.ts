import { expect, test } from 'vitest';
import { sends } from './keys';

const enter = { key: 'Enter', shiftKey: false, isComposing: false, keyCode: 13 };

test('Enter sends', () => {
	expect(sends(enter)).toBe(true);
});

test.each([
	['with Shift', { shiftKey: true }],
	['while a word is composed', { isComposing: true, keyCode: 229 }],
	['that ends a composition in Safari', { keyCode: 229 }],
	['that is another key', { key: 'a', keyCode: 65 }]
])('Enter %s does not', (_, change) => {
	expect(sends({ ...enter, ...change })).toBe(false);
});
