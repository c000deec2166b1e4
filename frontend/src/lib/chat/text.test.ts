import { expect, test } from 'vitest';
import { isTooLong, MAX_CHARACTERS } from './text';

test('characters are counted, not what they are coded in', () => {
	expect(isTooLong('🙂'.repeat(MAX_CHARACTERS))).toBe(false);
	expect(isTooLong('🙂'.repeat(MAX_CHARACTERS + 1))).toBe(true);
	expect(isTooLong('x'.repeat(MAX_CHARACTERS))).toBe(false);
	expect(isTooLong('x'.repeat(MAX_CHARACTERS + 1))).toBe(true);
});
