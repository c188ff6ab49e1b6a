// What a client says before anything is encrypted (RFC 8446 4.1.2): the name that it asks for and what it would speak. Bytes of
// strangers: whatever is not well-formed is no hello, and nobody waits for more of one than a server has to take.
//
//   record      0x16 | 3 | any | length (2) | fragment
//   handshake   1 | length (3) | version (2) | random (32) | session id <1> | suites <2> | compression <1> | extensions <2>

export interface ClientHello {
  /** In lower case; '' when it names none. */
  readonly serverName: string;
  /** Of ALPN, in its order. */
  readonly protocols: readonly string[];
}

/** Of the handshake message; as Envoy. */
const MOST_BYTES = 16 * 1024;
/** RFC 8446 5.1: of a fragment. */
const MOST_FRAGMENT = 16 * 1024;
/** Nobody cuts a hello into more. */
const MOST_RECORDS = 16;
const RECORD = 5;
const HEAD = 4;
const SERVER_NAME = 0;
const ALPN = 16;
/** What can be in a host name, and in a line of a log. */
const NAME = /^[a-z0-9_.-]{1,255}$/;

/** 'more': it begins as one and is not whole. Null: it is none. */
export function readClientHello(bytes: Buffer): ClientHello | 'more' | null {
  const message = messageOf(bytes);
  return Buffer.isBuffer(message) ? read(message) : message;
}

/** The handshake message, put together out of its records. */
function messageOf(bytes: Buffer): Buffer | 'more' | null {
  const parts: Buffer[] = [];
  let have = 0;
  for (let at = 0; parts.length < MOST_RECORDS; ) {
    const left = bytes.length - at;
    if (left > 0 && bytes[at] !== 0x16) return null;
    if (left > 1 && bytes[at + 1] !== 3) return null;
    if (left < RECORD) return 'more';
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > MOST_FRAGMENT) return null;
    const part = bytes.subarray(at + RECORD, at + RECORD + length);
    parts.push(part);
    have += part.length;
    if (parts[0].length > 0 && parts[0][0] !== 1) return null;
    if (have >= HEAD) {
      const message = parts.length === 1 ? part : Buffer.concat(parts);
      const whole = HEAD + message.readUIntBE(1, 3);
      if (whole > MOST_BYTES) return null;
      if (have >= whole) return message.subarray(HEAD, whole);
    }
    if (part.length < length) return 'more';
    at += RECORD + length;
  }
  return null;
}

function read(message: Buffer): ClientHello | null {
  const reader = new Reader(message);
  reader.skip(2 + 32);
  reader.skip(reader.number(1));
  reader.skip(reader.number(2));
  reader.skip(reader.number(1));
  // Those of TLS 1.2 and before may end here.
  const extensions = reader.ended ? new Reader(Buffer.alloc(0)) : reader.part(2);
  let serverName: string | null = '';
  let protocols: readonly string[] | null = [];
  while (!extensions.ended && extensions.sound) {
    const type = extensions.number(2);
    const body = extensions.part(2);
    if (type === SERVER_NAME) serverName = nameOf(body);
    if (type === ALPN) protocols = protocolsOf(body);
  }
  if (!reader.sound || !extensions.sound || serverName === null || protocols === null) return null;
  return { serverName, protocols };
}

/** RFC 6066 3. Null: what is there is no name. */
function nameOf(body: Reader): string | null {
  const list = body.part(2);
  let name = '';
  while (!list.ended && list.sound) {
    const type = list.number(1);
    const value = list.part(2).text();
    if (type === 0) name = value;
  }
  const plain = name.toLowerCase().replace(/\.$/, '');
  return list.sound && NAME.test(plain) ? plain : null;
}

/** RFC 7301 3.1. */
function protocolsOf(body: Reader): readonly string[] | null {
  const list = body.part(2);
  const protocols: string[] = [];
  while (!list.ended && list.sound) protocols.push(list.part(1).text());
  return list.sound ? protocols : null;
}

/** Never beyond its bytes: what would be is not `sound` from then on. */
class Reader {
  sound = true;
  private readonly bytes: Buffer;
  private at = 0;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  get ended(): boolean {
    return this.at >= this.bytes.length;
  }

  number(bytes: 1 | 2): number {
    const at = this.at;
    this.skip(bytes);
    return this.sound ? this.bytes.readUIntBE(at, bytes) : 0;
  }

  skip(bytes: number): void {
    this.at += bytes;
    if (this.at > this.bytes.length) this.sound = false;
  }

  /** What follows its own length, of so many bytes. */
  part(lengthBytes: 1 | 2): Reader {
    const length = this.number(lengthBytes);
    const start = this.at;
    this.skip(length);
    const part = new Reader(this.sound ? this.bytes.subarray(start, this.at) : Buffer.alloc(0));
    part.sound = this.sound;
    return part;
  }

  text(): string {
    return this.bytes.toString('latin1');
  }
}
