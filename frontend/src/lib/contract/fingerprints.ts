// Written by the server from its Rust types: change those, not this file.

/** What the types of each call boil down to: the server answers a page only if it means the same. */
export const fingerprints: Readonly<Record<string, string>> = {
	'chat.earlier': '50c6792fe90a5e4c',
	'chat.open': 'a3e440b9377a72e2',
	'chat.rooms': 'b6e27c1d81e2c4f0',
	'chat.send': '253dab83e879a256',
};
