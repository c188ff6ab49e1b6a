// Which fields concern only one hop: the codec reads them, writes them itself, and never hands them on. Compares names
// as bytes where they lie. Makes strings only for a Connection header that names something unusual.

/** What a field is to the codec. OTHER is everybody else's business: it becomes a span of the head. */
export const OTHER = 0;
export const HOST = 1;
export const CONTENT_LENGTH = 2;
export const TRANSFER_ENCODING = 3;
export const CONNECTION = 4;
export const TE = 5;
export const UPGRADE = 6;
export const EXPECT = 7;
/** Dropped unread: Keep-Alive, Proxy-Connection, Trailer, HTTP2-Settings. */
export const DROPPED = 8;

const NAMES: readonly (readonly [string, number])[] = [
  ['te', TE],
  ['host', HOST],
  ['expect', EXPECT],
  ['trailer', DROPPED],
  ['upgrade', UPGRADE],
  ['connection', CONNECTION],
  ['keep-alive', DROPPED],
  ['content-length', CONTENT_LENGTH],
  ['http2-settings', DROPPED],
  ['proxy-connection', DROPPED],
  ['transfer-encoding', TRANSFER_ENCODING],
];

interface Candidate {
  readonly codes: Uint8Array;
  readonly kind: number;
}

const LONGEST = 17;
const BY_LENGTH: readonly (readonly Candidate[] | null)[] = Array.from({ length: LONGEST + 1 }, (_, length) => {
  const candidates = NAMES.filter(([name]) => name.length === length);
  return candidates.length === 0 ? null : candidates.map(([name, kind]) => ({ codes: codesOf(name), kind }));
});

/** The kind of the field whose name (a token) lies at `start`. */
export function classify(bytes: Buffer, start: number, length: number): number {
  if (length > LONGEST) return OTHER;
  const candidates = BY_LENGTH[length];
  if (candidates === null) return OTHER;
  for (let i = 0; i < candidates.length; i++) {
    if (sameToken(bytes, start, candidates[i].codes)) return candidates[i].kind;
  }
  return OTHER;
}

/** A text as bytes, for the functions that follow. */
export function codesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (c) => c.charCodeAt(0));
}

/** True if the bytes at `start` are this lower-case token in any case. The caller has compared the lengths. */
export function sameToken(bytes: Buffer, start: number, codes: Uint8Array): boolean {
  for (let i = 0; i < codes.length; i++) {
    // Or-ing 32 folds letters; among token bytes nothing else becomes a letter or '-' by it.
    if ((bytes[start + i] | 32) !== codes[i]) return false;
  }
  return true;
}

/** True if these very bytes, the first `length` of `codes`, lie at `start`. */
export function sameBytes(bytes: Buffer, start: number, length: number, codes: Uint8Array): boolean {
  for (let i = 0; i < length; i++) if (bytes[start + i] !== codes[i]) return false;
  return true;
}

/** Where a member that is this lower-case token, without parameters, lies in a list; -1: it is none of them. */
export function memberAt(bytes: Buffer, start: number, length: number, codes: Uint8Array): number {
  const end = start + length;
  let at = start;
  while (at < end) {
    while (at < end && (bytes[at] === 44 || bytes[at] === 32 || bytes[at] === 9)) at++;
    const member = at;
    while (at < end && bytes[at] !== 44) at++;
    let stop = at;
    while (stop > member && (bytes[stop - 1] === 32 || bytes[stop - 1] === 9)) stop--;
    if (isValue(bytes, member, stop - member, codes)) return member;
  }
  return -1;
}

export function isValue(bytes: Buffer, start: number, length: number, codes: Uint8Array): boolean {
  return length === codes.length && sameToken(bytes, start, codes);
}

// RFC 9110 5.6.2
export const TOKEN_BYTE: Uint8Array = new Uint8Array(256);
for (const c of codesOf("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")) TOKEN_BYTE[c] = 1;
for (let c = 65; c <= 90; c++) TOKEN_BYTE[c] = 1;

/** What a value or a reason phrase may have: all but control characters (RFC 9110 5.5), of which a tab is none. */
export const VALUE_BYTE: Uint8Array = new Uint8Array(256).fill(1, 32);
VALUE_BYTE[9] = 1;
VALUE_BYTE[127] = 0;

const CLOSE = codesOf('close');
const KEEP_ALIVE = codesOf('keep-alive');
const UPGRADE_OPTION = codesOf('upgrade');

/** Names a Connection header may list beside the options; each costs a pass over the fields. */
const MAX_NOMINATED = 16;

// What identity, routing and tracing rest on.
const PROTECTED = new Set(
  [
    'host authorization cookie set-cookie content-type',
    'forwarded x-real-ip x-client-ip x-cluster-client-ip true-client-ip cf-connecting-ip client-cert client-cert-chain',
    'x-request-id traceparent tracestate baggage b3 uber-trace-id x-amzn-trace-id x-cloud-trace-context grpc-trace-bin',
    'x-ot-span-context x-rewrite-url x-http-method-override remote-user',
  ].flatMap((names) => names.split(' ')),
);
const PROTECTED_PREFIX =
  /^(x-forwarded-|x-original-|x-remote-|x-auth-request-|x-envoy-|x-b3-|x-weft-|x-istio-|x-datadog-)/;

/**
 * True of a field that a message has in its head or not at all. To nominate one in Connection is an attack on the next hop (it
 * would be lost on the way); in a trailer it comes from whoever wrote the body, behind the back of who checked the head.
 */
export function isProtected(lower: string): boolean {
  return PROTECTED.has(lower) || PROTECTED_PREFIX.test(lower);
}

/** Options of all Connection fields of one message. One a shard, cleared for each head. */
export class ConnectionOptions {
  close = false;
  keepAlive = false;
  upgrade = false;
  /** Lower-case names that go with this hop; null in nearly every message. */
  nominated: string[] | null = null;

  clear(): void {
    this.close = false;
    this.keepAlive = false;
    this.upgrade = false;
    this.nominated = null;
  }

  /** Reads one Connection value. False: not a list of tokens, or it names what must not be stripped. */
  read(bytes: Buffer, start: number, length: number): boolean {
    const end = start + length;
    let at = start;
    while (at < end) {
      const c = bytes[at];
      if (c === 44 || c === 32 || c === 9) {
        at++;
        continue;
      }
      const token = at;
      while (at < end && TOKEN_BYTE[bytes[at]] === 1) at++;
      if (at === token) return false;
      const size = at - token;
      while (at < end && (bytes[at] === 32 || bytes[at] === 9)) at++;
      if (at < end && bytes[at] !== 44) return false;
      if (isValue(bytes, token, size, CLOSE)) this.close = true;
      else if (isValue(bytes, token, size, KEEP_ALIVE)) this.keepAlive = true;
      else if (isValue(bytes, token, size, UPGRADE_OPTION)) this.upgrade = true;
      else if (classify(bytes, token, size) === OTHER || classify(bytes, token, size) === HOST) {
        if (!this.nominate(bytes.latin1Slice(token, token + size).toLowerCase())) return false;
      }
    }
    return true;
  }

  private nominate(name: string): boolean {
    // Refused rather than obeyed.
    if (isProtected(name)) return false;
    this.nominated ??= [];
    if (this.nominated.length === MAX_NOMINATED) return false;
    this.nominated.push(name);
    return true;
  }

  /** Takes the nominated fields out of a head's spans. */
  strip(bytes: Buffer, spans: number[]): void {
    if (this.nominated === null) return;
    let kept = 0;
    for (let i = 0; i < spans.length; i += 4) {
      const name = bytes.latin1Slice(spans[i], spans[i] + spans[i + 1]).toLowerCase();
      if (this.nominated.includes(name)) continue;
      for (let k = 0; k < 4; k++) spans[kept++] = spans[i + k];
    }
    spans.length = kept;
  }
}
