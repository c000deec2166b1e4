// Pages become HTML at build time: their content is there before any script has run. What only a browser
// has (sockets, cookies, the clock) therefore belongs in `onMount` or in an event handler.
export const prerender = true;
