import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { EXPIRY_MS, INTERVAL_MS, Typists, TypingNotice, typingWords } from './typing.svelte';

beforeEach(() => {
	vi.useFakeTimers();
});

afterEach(() => {
	vi.useRealTimers();
});

describe('the others', () => {
	test('are named in the order in which they began', () => {
		const typists = new Typists();
		typists.heard('Bob', { typing: true });
		typists.heard('Ada', { typing: true });
		typists.heard('Bob', { typing: true });

		expect(typists.names).toEqual(['Bob', 'Ada']);
	});

	test('are taken out when they say that they have stopped', () => {
		const typists = new Typists();
		typists.heard('Bob', { typing: true });
		typists.heard('Bob', { typing: false });

		expect(typists.names).toEqual([]);
		expect(vi.getTimerCount()).toBe(0);
	});

	test('are taken out when nothing is heard of them any more', () => {
		const typists = new Typists();
		typists.heard('Bob', { typing: true });
		vi.advanceTimersByTime(EXPIRY_MS - 1);
		typists.heard('Bob', { typing: true });
		vi.advanceTimersByTime(EXPIRY_MS - 1);
		expect(typists.names).toEqual(['Bob']);

		vi.advanceTimersByTime(1);

		expect(typists.names).toEqual([]);
	});

	test('are taken out when their message comes', () => {
		const typists = new Typists();
		typists.heard('Bob', { typing: true });
		typists.heard('Ada', { typing: true });
		typists.forget('Bob');

		expect(typists.names).toEqual(['Ada']);
		expect(vi.getTimerCount()).toBe(1);
	});

	test('are all forgotten with the room', () => {
		const typists = new Typists();
		typists.heard('Bob', { typing: true });
		typists.clear();

		expect(typists.names).toEqual([]);
		expect(vi.getTimerCount()).toBe(0);
	});

	test('may have stopped before anybody heard that they began', () => {
		const typists = new Typists();
		typists.heard('Bob', { typing: false });

		expect(typists.names).toEqual([]);
	});
});

describe('the notice', () => {
	function notice() {
		const said: boolean[] = [];
		return { notice: new TypingNotice(({ typing }) => said.push(typing)), said };
	}

	test('is given at once, and then at most once in two seconds', () => {
		const { notice: typing, said } = notice();
		typing.input('H');
		expect(said).toEqual([true]);

		vi.advanceTimersByTime(INTERVAL_MS - 1);
		typing.input('He');
		expect(said).toEqual([true]);

		vi.advanceTimersByTime(1);
		typing.input('Hel');
		expect(said).toEqual([true, true]);
	});

	test('ends when the text is gone or sent, and then only once', () => {
		const { notice: typing, said } = notice();
		typing.input('H');
		typing.input(' ');
		typing.stop();

		expect(said).toEqual([true, false]);
	});

	test('begins anew at once after it has ended', () => {
		const { notice: typing, said } = notice();
		typing.input('H');
		typing.stop();
		typing.input('J');

		expect(said).toEqual([true, false, true]);
	});

	test('is given at once in the next room, and does not end there', () => {
		const { notice: typing, said } = notice();
		typing.input('H');
		typing.forget();
		typing.stop();
		typing.input('He');

		expect(said).toEqual([true, true]);
	});

	test('is not given of blanks', () => {
		const { notice: typing, said } = notice();
		typing.input(' \n');

		expect(said).toEqual([]);
	});
});

test.each([
	[[], ''],
	[['Ada'], 'Ada is typing…'],
	[['Ada', 'Bob'], 'Ada and Bob are typing…'],
	[['Ada', 'Bob', 'Cem'], 'Ada, Bob and Cem are typing…'],
	[['Ada', 'Bob', 'Cem', 'Dora'], 'Several people are typing…']
])('the words for %j', (names, words) => {
	expect(
		typingWords(names)
			.map(({ text }) => text)
			.join('')
	).toBe(words);
});

test('names are told from words, whatever they are', () => {
	const parts = typingWords([' is typing…', 'Bob']);

	expect(parts.filter(({ isName }) => isName).map(({ text }) => text)).toEqual([
		' is typing…',
		'Bob'
	]);
});
