import { resolve } from '$app/paths';
import { LOBBY } from '$lib/chat/rooms.svelte';
import { redirect } from '@sveltejs/kit';
import type { PageLoad } from './$types';

// Nobody has to choose a room before they can talk.
export const load: PageLoad = () => redirect(307, resolve('/chat/[room]', { room: LOBBY }));
