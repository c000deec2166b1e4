/**
 * Names a message before the server has seen it: a random UUID (RFC 9562, version 4). The browser's own `randomUUID` is
 * there on secure origins only, and a page may be tried over plain HTTP from a phone.
 */
export function newNonce(): string {
	const bytes = crypto.getRandomValues(new Uint8Array(16));
	const digits = Array.from(bytes, (byte, index) => {
		if (index === 6) return ((byte & 0x0f) | 0x40).toString(16);
		if (index === 8) return ((byte & 0x3f) | 0x80).toString(16);
		return byte.toString(16).padStart(2, '0');
	}).join('');
	return digits.replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
}
