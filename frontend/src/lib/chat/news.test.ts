import { expect, test } from 'vitest';
import { News } from './news.svelte';
import { message } from './testing';

const texts = (news: News) => news.items.map(({ text }) => text);

test('what is said from outside is called so', () => {
	const news = new News();
	news.add(message({ author: 'Ada', text: 'Hi' }));
	news.add(message({ author: 'Ada', text: 'Hi', outside: true }));

	expect(texts(news)).toEqual(['Ada: Hi', 'Ada, via HTTP: Hi']);
});

test('only the last few are there to be read out', () => {
	const news = new News();
	for (let id = 1; id <= 9; id += 1) news.add(message({ id, text: String(id) }));
	expect(texts(news)).toEqual(['Ada: 5', 'Ada: 6', 'Ada: 7', 'Ada: 8', 'Ada: 9']);

	news.clear();
	expect(news.items).toEqual([]);
});
