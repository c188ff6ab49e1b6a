// The head of a message, as a codec hands it on: byte spans over what was received, plus an overlay of what filters and
// routes changed. Version-neutral: no framing or hop-by-hop field is ever in it (Host, Content-Length, Transfer-Encoding,
// Connection and what it names, Keep-Alive, Proxy-Connection, Upgrade, TE, Trailer, Expect): the codec reads those
// into the properties below, and writes them itself.
//
//   bytes   G E T   / a   H T T P / 1 . 1 \r \n A c c e p t :   * / * \r \n ...
//   spans   [nameStart, nameLength, valueStart, valueLength] per field, offsets into bytes; nameStart -1 = removed
//   added   [name, value, name, value, ...] latin1 strings, one char a byte; name '' = removed

/** A field name prepared once: compared without regard to case, byte by byte, without making strings. */
export class FieldName {
  readonly lower: string;
  readonly codes: Uint8Array;

  constructor(name: string) {
    this.lower = name.toLowerCase();
    this.codes = Uint8Array.from(this.lower, (c) => c.charCodeAt(0));
  }
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** True if a field of this name and value may be written on the wire: a token, and no control characters. */
export function fieldAllowed(name: string, value: string): boolean {
  return nameAllowed(name) && valueAllowed(value);
}

export function nameAllowed(name: string): boolean {
  return TOKEN.test(name);
}

export function valueAllowed(value: string): boolean {
  return VALUE.test(value);
}

/** RFC 9110 9.2.1: asks and changes nothing. */
export function isSafe(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS';
}

/** RFC 9110 9.2.2: may be sent again when nobody knows whether it arrived. */
export function isIdempotent(method: string): boolean {
  switch (method) {
    case 'GET':
    case 'HEAD':
    case 'OPTIONS':
    case 'TRACE':
    case 'PUT':
    case 'DELETE':
      return true;
    default:
      return false;
  }
}

export class Head {
  /** What was received; spans point into it. Owned by this head: never a buffer that the codec reuses. */
  bytes: Buffer;
  readonly spans: number[];
  readonly added: string[] = [];

  // A request's pseudo-headers. `method` is '' in a response; `path` and `authority` lie in bytes until replaced.
  method = '';
  scheme: 'http' | 'https' = 'http';
  pathStart = 0;
  pathLength = 0;
  authorityStart = 0;
  authorityLength = 0;
  /** Set when a route or filter replaced the path, else null. Latin1. */
  newPath: string | null = null;
  newAuthority: string | null = null;
  /** A response's status; 0 in a request. */
  status = 0;

  /** Bytes of body announced, or -1: unknown (chunked, until close, HTTP/2 without content-length). 0: none. */
  contentLength = 0;

  /** A request whose client takes trailers, as its field TE says to the next hop alone. */
  te = false;

  /** A request whose client waits for "100 Continue" before it sends the body. */
  expectContinue = false;

  /** What the client asks to speak from here on, in place of HTTP: 'websocket', the only offer that is not ignored, or ''. */
  upgrade: '' | 'websocket' = '';

  /** True when an HTTP/1 codec has checked the bytes of every span, so that its writer may copy them unread. */
  checked = false;

  /** Starts of the names of fields that nobody on their way may put into a table (RFC 7541 6.2.3), when there are any. */
  neverIndexed: number[] | null = null;

  constructor(bytes: Buffer, spans: number[] = []) {
    this.bytes = bytes;
    this.spans = spans;
  }

  get path(): string {
    return this.newPath ?? this.bytes.latin1Slice(this.pathStart, this.pathStart + this.pathLength);
  }

  get authority(): string {
    return this.newAuthority ?? this.bytes.latin1Slice(this.authorityStart, this.authorityStart + this.authorityLength);
  }

  /** Fields received and added, live and removed: indexes 0..size-1 for `nameAt` and `valueAt`. */
  get size(): number {
    return (this.spans.length >> 2) + (this.added.length >> 1);
  }

  /** The name as it was written, or '' when the field at this index was removed. */
  nameAt(index: number): string {
    const at = index << 2;
    if (at < this.spans.length) {
      const start = this.spans[at];
      return start < 0 ? '' : this.bytes.latin1Slice(start, start + this.spans[at + 1]);
    }
    return this.added[(index - (this.spans.length >> 2)) << 1];
  }

  valueAt(index: number): string {
    const at = index << 2;
    if (at < this.spans.length) {
      const start = this.spans[at + 2];
      return this.bytes.latin1Slice(start, start + this.spans[at + 3]);
    }
    return this.added[((index - (this.spans.length >> 2)) << 1) + 1];
  }

  /** Index of the first live field of this name at or after `from`, or -1. */
  find(name: FieldName, from = 0): number {
    const { spans, bytes } = this;
    const { codes } = name;
    const received = spans.length >> 2;
    for (let i = from; i < received; i++) {
      const at = i << 2;
      if (spans[at + 1] !== codes.length || spans[at] < 0) continue;
      let k = 0;
      for (let p = spans[at]; k < codes.length; k++, p++) {
        const c = bytes[p];
        if (c !== codes[k] && (c > 90 || c < 65 || (c | 32) !== codes[k])) break;
      }
      if (k === codes.length) return i;
    }
    for (let k = Math.max(0, from - received) << 1; k < this.added.length; k += 2) {
      const added = this.added[k];
      if (added.length === codes.length && added.toLowerCase() === name.lower) return received + (k >> 1);
    }
    return -1;
  }

  has(name: FieldName): boolean {
    return this.find(name) >= 0;
  }

  /** The first value of this name, or undefined. */
  get(name: FieldName): string | undefined {
    const index = this.find(name);
    return index < 0 ? undefined : this.valueAt(index);
  }

  /** All values of this name joined with ", " (RFC 9110 5.3), or undefined. Not for Set-Cookie. */
  joined(name: FieldName, separator = ', '): string | undefined {
    let index = this.find(name);
    if (index < 0) return undefined;
    let value = this.valueAt(index);
    for (index = this.find(name, index + 1); index >= 0; index = this.find(name, index + 1)) {
      value += separator + this.valueAt(index);
    }
    return value;
  }

  /** Adds a field; false (and nothing added) when name or value may not be written. Name as it shall appear on the wire. */
  add(name: string, value: string): boolean {
    if (!fieldAllowed(name, value)) return false;
    this.added.push(name, value);
    return true;
  }

  /** Removes every field of this name. */
  remove(name: FieldName): void {
    const received = this.spans.length >> 2;
    for (let i = this.find(name); i >= 0; i = this.find(name, i + 1)) this.removeAt(i, received);
  }

  /** Removes the field at one index. */
  removeAt(index: number, received = this.spans.length >> 2): void {
    if (index < received) this.spans[index << 2] = -1;
    else this.added[(index - received) << 1] = '';
  }

  /**
   * As `set`, for a value that this process has made itself: it is not looked at twice, since the head writer reads
   * every byte that was added and leaves out what may not be written.
   */
  put(name: FieldName, value: string): void {
    this.remove(name);
    this.added.push(name.lower, value);
  }

  /** Replaces every field of this name by one. */
  set(name: FieldName, value: string): boolean {
    if (!fieldAllowed(name.lower, value)) return false;
    this.remove(name);
    this.added.push(name.lower, value);
    return true;
  }

  /** A request head of our own making (tests, mirrors, http_call), or with status a response head (local replies). */
  static request(
    method: string,
    authority: string,
    path: string,
    fields: readonly (readonly [string, string])[] = [],
  ): Head {
    const head = new Head(EMPTY);
    head.method = method;
    head.newAuthority = authority;
    head.newPath = path;
    for (const [name, value] of fields) head.add(name, value);
    return head;
  }

  static response(status: number, fields: readonly (readonly [string, string])[] = []): Head {
    const head = new Head(EMPTY);
    head.status = status;
    for (const [name, value] of fields) head.add(name, value);
    return head;
  }
}

const EMPTY = Buffer.alloc(0);
