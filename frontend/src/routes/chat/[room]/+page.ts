import { roomNameProblem } from '$lib/chat/room-name';
import { error } from '@sveltejs/kit';
import type { PageLoad } from './$types';

// Which rooms there are is not known when the pages are built: the fallback page serves them all.
export const prerender = false;

export const load: PageLoad = ({ params }) => {
	const problem = roomNameProblem(params.room);
	if (problem !== null) error(404, problem);
};
