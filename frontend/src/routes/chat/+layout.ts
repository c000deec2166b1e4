// There is nothing to be seen here before the browser has asked who its visitor is.
export const ssr = false;
