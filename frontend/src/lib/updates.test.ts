import { expect, test } from 'vitest';
import { Updates } from './updates.svelte';

/** A page of build "old", and a server whose files are of the build that is said. */
function page(files = 'new') {
	const check = {
		version: 'old',
		current: false,
		checks: 0,
		check() {
			this.checks += 1;
			this.current = files !== this.version;
			return Promise.resolve(this.current);
		}
	};
	return { check, updates: new Updates(check) };
}

test('a server with the same build offers nothing, and is not asked for files', () => {
	const { check, updates } = page();
	updates.served(null);
	updates.served('old');

	expect(updates.offered).toBe(false);
	expect(check.checks).toBe(0);
});

test('another build is offered once its files are there', () => {
	const { updates } = page();
	updates.served('new');

	expect(updates.offered).toBe(true);
});

test('another build without other files is not offered', () => {
	const { updates } = page('old');
	updates.served('new');

	expect(updates.offered).toBe(false);
});

test('whoever says later is left alone until there is yet another build', () => {
	const { updates } = page();
	updates.served('new');
	updates.postpone();
	updates.served('new');
	expect(updates.offered).toBe(false);

	updates.served('newer');

	expect(updates.offered).toBe(true);
});

test('a call that the server understands no more asks for it at once, and only once', () => {
	const { check, updates } = page('old');
	updates.demand();
	expect(updates.offered).toBe(true);

	updates.postpone();
	updates.demand();

	expect(updates.offered).toBe(false);
	expect(check.checks).toBe(1);
});

test('whoever says later is asked at once by a call that the server understands no more', () => {
	const { updates } = page();
	updates.served('new');
	updates.postpone();
	updates.demand();

	expect(updates.offered).toBe(true);
});
