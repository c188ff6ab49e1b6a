// A host and a port as one text, 'reviews:9080' or '[::1]:9080', and back. The only place that knows of IPv6's brackets.

/** `host`: a name, or an address; an IPv6 address may have its brackets already, as in an authority. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') && host.charCodeAt(0) !== BRACKET ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What `hostPort` wrote, without brackets. */
export function splitHostPort(text: string): { readonly host: string; readonly port: number } {
  const colon = text.lastIndexOf(':');
  return { host: withoutBrackets(text.slice(0, colon)), port: Number(text.slice(colon + 1)) };
}

/** '::1' of '[::1]'; other hosts as they are. */
export function withoutBrackets(host: string): string {
  return host.charCodeAt(0) === BRACKET && host.endsWith(']') ? host.slice(1, -1) : host;
}

const BRACKET = 0x5b;
