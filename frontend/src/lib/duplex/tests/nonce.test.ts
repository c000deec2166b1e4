import { expect, test } from 'vitest';
import { newNonce } from '../nonce';

test('a nonce is a random UUID, and never the same', () => {
	const nonces = Array.from({ length: 1000 }, newNonce);

	for (const nonce of nonces) {
		expect(nonce).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
	}
	expect(new Set(nonces).size).toBe(1000);
});
