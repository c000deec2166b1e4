import { expect, test } from 'vitest';
import { tabStorage } from './storage';

test('a browser that gives no storage breaks nothing', () => {
	const storage = tabStorage(() => {
		throw new DOMException('denied', 'SecurityError');
	});
	storage.setItem('key', 'value');
	storage.removeItem('key');

	expect(storage.getItem('key')).toBeNull();
});
