// Written by the server from its Rust types: change those, not this file.

/** What the types of each call, and of each kind of channels, boil down to: the server answers a page only if it means the same. */
export const fingerprints: Readonly<Record<string, string>> = {
	'chat.earlier': '677f3f5e3e27f6db',
	'chat.open': 'da0d1fac04511505',
	'chat.rooms': 'd2cff2307963e30e',
	'chat.send': '499682195201dd2a',
	'chat:': 'd1bd662109fb0f16',
	'typing:': 'a2860ffe431fd955',
};
