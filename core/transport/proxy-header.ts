// What a proxy says first of the client that it stands for: the header of the PROXY protocol, version 1 in a line of text or version 2 in
// bytes. Read of a proxy in front of this one, written to who asks for it. What is read is bytes of
// strangers: whatever is not well-formed is none, and nobody waits for more than a header can have.
//
//   1   PROXY TCP4 192.0.2.1 192.0.2.2 56324 443 CR LF                           at most 107 bytes; or PROXY UNKNOWN ... CR LF
//   2   signature (12) | 0x20 local, 0x21 proxied | family, SOCK_STREAM | length (2) | source, destination, two ports | TLVs

import { isIPv4, isIPv6 } from 'node:net';

/** The client's end and the end that it has connected to. */
export interface Origin {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

export type ProxyVersion = 'V1' | 'V2';

export interface ProxyHeader {
  /** Null: the proxy speaks for itself, or does not know. */
  readonly origin: Origin | null;
  /** Bytes of the header. */
  readonly length: number;
}

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const PREFIX = Buffer.from('PROXY ', 'latin1');
const MOST_LINE = 107;
const HEAD = 16;
/** TLVs included; as much as anybody has to say of one connection. */
const MOST_BYTES = 4096;
const LOCAL = 0x20;
const PROXIED = 0x21;
const TCP4 = 0x11;
const TCP6 = 0x21;

/** 'more': it begins as one and is not whole. Null: it is none. */
export function readProxyHeader(bytes: Buffer): ProxyHeader | 'more' | null {
  if (bytes.length === 0) return 'more';
  if (bytes[0] === SIGNATURE[0]) return readBinary(bytes);
  return bytes[0] === PREFIX[0] ? readLine(bytes) : null;
}

function beginsAs(bytes: Buffer, wanted: Buffer): boolean {
  const known = Math.min(bytes.length, wanted.length);
  return wanted.compare(bytes, 0, known, 0, known) === 0;
}

function readLine(bytes: Buffer): ProxyHeader | 'more' | null {
  if (!beginsAs(bytes, PREFIX)) return null;
  const end = bytes.subarray(0, MOST_LINE).indexOf('\r\n');
  if (end < 0) return bytes.length < MOST_LINE ? 'more' : null;
  const length = end + 2;
  const [, family, ...words] = bytes.toString('latin1', 0, end).split(' ');
  if (family === 'UNKNOWN') return { origin: null, length };
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isIPv6 : null;
  if (isAddress === null || words.length !== 4) return null;
  const [source, destination, ...ports] = words;
  // An address with a zone is one of the machine that wrote it.
  if (![source, destination].every((address) => isAddress(address) && !address.includes('%'))) return null;
  if (!ports.every((port) => PORT.test(port) && Number(port) <= 65_535)) return null;
  const [remotePort, localPort] = ports.map(Number);
  return { origin: { remoteAddress: source, remotePort, localAddress: destination, localPort }, length };
}

const PORT = /^(?:0|[1-9]\d{0,4})$/;

function readBinary(bytes: Buffer): ProxyHeader | 'more' | null {
  if (!beginsAs(bytes, SIGNATURE)) return null;
  if (bytes.length > 12 && bytes[12] !== LOCAL && bytes[12] !== PROXIED) return null;
  if (bytes.length < HEAD) return 'more';
  const rest = bytes.readUInt16BE(14);
  const length = HEAD + rest;
  if (length > MOST_BYTES) return null;
  const size = bytes[12] === LOCAL ? 0 : bytes[13] === TCP4 ? 4 : bytes[13] === TCP6 ? 16 : -1;
  // Of a family that is no TCP over IP nobody could say whose it is.
  if (size < 0 || (size > 0 && rest < 2 * size + 4)) return null;
  if (bytes.length < length) return 'more';
  if (size === 0) return { origin: null, length };
  const ports = HEAD + 2 * size;
  if (!wellFormed(bytes, ports + 4, length)) return null;
  const origin = {
    remoteAddress: addressAt(bytes, HEAD, size),
    remotePort: bytes.readUInt16BE(ports),
    localAddress: addressAt(bytes, HEAD + size, size),
    localPort: bytes.readUInt16BE(ports + 2),
  };
  return { origin, length };
}

/** TLVs, each a type, a length of two bytes and a value, up to the end. */
function wellFormed(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at + 3 <= end) at += 3 + bytes.readUInt16BE(at + 1);
  return at === end;
}

/** As sockets write it: the zeros of an IPv6 address are left out. */
function addressAt(bytes: Buffer, at: number, size: number): string {
  if (size === 4) return `${bytes[at]}.${bytes[at + 1]}.${bytes[at + 2]}.${bytes[at + 3]}`;
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i).toString(16)).join(':');
  return new URL(`http://[${groups}]/`).hostname.slice(1, -1);
}

/** A header, and names for it among pools, by what is spoken after it. */
export interface WrittenHeader {
  readonly version: ProxyVersion;
  readonly bytes: Buffer;
  readonly h1: string;
  readonly h2: string;
}

/** Of clients' connections: one is written for all requests of each. */
const WRITTEN = new WeakMap<Origin, WrittenHeader>();

/** As writeProxyHeader, whose bytes are the same for as long as the connection lasts. */
export function proxyHeaderOf(version: ProxyVersion, client: Origin | null): WrittenHeader {
  const known = client === null ? undefined : WRITTEN.get(client);
  if (known?.version === version) return known;
  const bytes = writeProxyHeader(version, client);
  const text = bytes.latin1Slice();
  const header = { version, bytes, h1: `h1 ${text}`, h2: `h2 ${text}` };
  if (client !== null) WRITTEN.set(client, header);
  return header;
}

/** Null, or an end that is not known: the proxy speaks for itself. */
export function writeProxyHeader(version: ProxyVersion, client: Origin | null): Buffer {
  const family = client === null ? 0 : familyOf(client);
  if (client === null || family === 0) return version === 'V1' ? UNKNOWN : SPEAKS_FOR_ITSELF;
  const [source, destination] = [client.remoteAddress, client.localAddress].map((address) => written(address, family));
  const { remotePort, localPort } = client;
  if (version === 'V1') {
    return Buffer.from(`PROXY TCP${family} ${source} ${destination} ${remotePort} ${localPort}\r\n`, 'latin1');
  }
  const size = family === 4 ? 4 : 16;
  const bytes = Buffer.alloc(HEAD + 2 * size + 4);
  bytes.set(SIGNATURE);
  bytes[12] = PROXIED;
  bytes[13] = family === 4 ? TCP4 : TCP6;
  bytes.writeUInt16BE(2 * size + 4, 14);
  put(bytes, HEAD, source, family);
  put(bytes, HEAD + size, destination, family);
  bytes.writeUInt16BE(remotePort, HEAD + 2 * size);
  bytes.writeUInt16BE(localPort, HEAD + 2 * size + 2);
  return bytes;
}

const UNKNOWN = Buffer.from('PROXY UNKNOWN\r\n', 'latin1');
const SPEAKS_FOR_ITSELF = Buffer.concat([SIGNATURE, Buffer.of(LOCAL, 0, 0, 0)]);
/** How a socket of both families has an address of IPv4. */
const MAPPED = /^::ffff:(?=\d+\.)/i;

/** Of both ends; 0: they have none. */
function familyOf({ remoteAddress, localAddress }: Origin): 4 | 6 | 0 {
  const ends = [remoteAddress, localAddress].map((address) => address.replace(MAPPED, ''));
  if (ends.every(isIPv4)) return 4;
  return ends.every((address) => isIPv4(address) || isIPv6(address)) ? 6 : 0;
}

/** A zone is one of this machine. */
function written(address: string, family: 4 | 6): string {
  const bare = address.replace(MAPPED, '').replace(/%.*$/, '');
  return family === 6 && isIPv4(bare) ? `::ffff:${bare}` : bare;
}

function put(bytes: Buffer, at: number, address: string, family: 4 | 6): void {
  if (family === 4) {
    bytes.set(address.split('.').map(Number), at);
    return;
  }
  // All in groups of 16 bits, as URLs have them: ::ffff:1.2.3.4 is ::ffff:102:304.
  const [head, tail] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split('::').map(groupsOf);
  const tailAt = at + 16 - 2 * (tail?.length ?? 0);
  for (let i = 0; i < head.length; i++) bytes.writeUInt16BE(head[i], at + 2 * i);
  for (let i = 0; i < (tail?.length ?? 0); i++) bytes.writeUInt16BE(tail[i], tailAt + 2 * i);
}

function groupsOf(groups: string): number[] {
  return groups === '' ? [] : groups.split(':').map((group) => Number.parseInt(group, 16));
}
