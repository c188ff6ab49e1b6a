// Request targets and authorities (RFC 9112 3.2, RFC 3986 3.2.2), checked as bytes. Stricter than the RFCs where the
// looser forms serve only to confuse the next hop: no userinfo, no percent-encoded host.

export const ORIGIN_FORM = 1;
export const ABSOLUTE_FORM = 2;
export const AUTHORITY_FORM = 3;
export const ASTERISK_FORM = 4;

/** Where the parts of the last target read lie. One a shard. */
export class Target {
  form = 0;
  authorityStart = 0;
  authorityLength = 0;
  /** Length 0 with absolute-form: the path is "/" and is not written in the target (a query may follow). */
  pathStart = 0;
  pathLength = 0;
  https = false;

  /** False when the target is none of the four forms or does not fit the method. */
  read(bytes: Buffer, start: number, length: number, method: string): boolean {
    const end = start + length;
    if (method === 'CONNECT') {
      this.form = AUTHORITY_FORM;
      this.authorityStart = start;
      this.authorityLength = length;
      this.pathStart = end;
      this.pathLength = 0;
      return authorityAllowed(bytes, start, end, true);
    }
    for (let at = start; at < end; at++) {
      const c = bytes[at];
      if (c <= 32 || c >= 127 || c === 35) return false;
    }
    this.pathStart = start;
    this.pathLength = length;
    const first = bytes[start];
    if (first === 47) {
      this.form = ORIGIN_FORM;
      return true;
    }
    if (first === 42) {
      this.form = ASTERISK_FORM;
      return length === 1 && method === 'OPTIONS';
    }
    return this.readAbsolute(bytes, start, end);
  }

  private readAbsolute(bytes: Buffer, start: number, end: number): boolean {
    this.form = ABSOLUTE_FORM;
    const scheme = bytes.latin1Slice(start, Math.min(start + 8, end)).toLowerCase();
    this.https = scheme === 'https://';
    if (!this.https && !scheme.startsWith('http://')) return false;
    const authority = start + (this.https ? 8 : 7);
    let at = authority;
    while (at < end && bytes[at] !== 47 && bytes[at] !== 63) at++;
    this.authorityStart = authority;
    this.authorityLength = at - authority;
    this.pathStart = at;
    this.pathLength = end - at;
    return authorityAllowed(bytes, authority, at, false);
  }
}

// Host names and IPv4 addresses: letters, digits, '-', '.', '_' (Istio's subset hosts have it), '~'.
const NAME_BYTE = new Uint8Array(128);
for (const c of 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~') NAME_BYTE[c.charCodeAt(0)] = 1;
const ADDRESS_BYTE = new Uint8Array(128);
for (const c of 'abcdefABCDEF0123456789:.') ADDRESS_BYTE[c.charCodeAt(0)] = 1;

/** host [":" port]; the port is 0..65535 or empty, and has to be there when `portNeeded`. */
export function authorityAllowed(bytes: Buffer, start: number, end: number, portNeeded: boolean): boolean {
  let at = start;
  if (bytes[at] === 91 && at < end) {
    at++;
    while (at < end && bytes[at] < 128 && ADDRESS_BYTE[bytes[at]] === 1) at++;
    if (at - start < 3 || bytes[at] !== 93 || at === end) return false;
    at++;
  } else {
    while (at < end && bytes[at] < 128 && NAME_BYTE[bytes[at]] === 1) at++;
    if (at === start) return false;
  }
  if (at === end) return !portNeeded;
  if (bytes[at++] !== 58 || end - at > 5) return false;
  if (at === end) return !portNeeded;
  let port = 0;
  for (; at < end; at++) {
    const digit = bytes[at] - 48;
    if (digit < 0 || digit > 9) return false;
    port = port * 10 + digit;
  }
  return port <= 65535;
}
