// Exchanges as plain data, for a thread that shares nothing with the shard: heads as lists, what was done to a copy as a
// difference that the original can follow, and the record's facts. Values stand in a fixed order with no names beside them:
// most of what a request cost on its way to a thread were the names.

import { strictObject } from '../builtins/authn/strict-json.ts';
import { VerifiedToken } from '../builtins/authn/verified.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import { Head } from '../http/head.ts';
import type { ConnectionFacts, TlsFacts } from '../transport/transport.ts';

/** What a head has beside its fields. Method, path and authority are '' in a response. */
type Line = readonly [
  method: string,
  scheme: Head['scheme'],
  path: string,
  authority: string,
  status: number,
  contentLength: number,
];
const LINE = 6;

/** Fields as name, value, name, value, ... in the order of the head's indexes; name '' = removed. */
export type PackedHead = readonly [...Line, ...fields: string[]];

export function packHead(head: Head): PackedHead {
  const { size, method } = head;
  const request = method !== '';
  const [path, authority] = request ? [head.path, head.authority] : ['', ''];
  const packed: [...Line, ...string[]] = [method, head.scheme, path, authority, head.status, head.contentLength];
  for (let i = 0; i < size; i++) {
    const name = head.nameAt(i);
    packed.push(name, name === '' ? '' : head.valueAt(i));
  }
  return packed;
}

export function unpackHead(packed: PackedHead): Head {
  const [method, scheme, path, authority, status, contentLength, ...fields] = packed;
  const head = method === '' ? Head.response(status) : Head.request(method, authority, path);
  head.scheme = scheme;
  head.contentLength = contentLength;
  for (const text of fields) head.added.push(text);
  return head;
}

/** Bytes of a packed head, near enough to bound what waits. */
export function packedSize(packed: PackedHead): number {
  let size = 64;
  for (const part of packed) if (typeof part === 'string') size += part.length;
  return size;
}

/** A request that a filter sends, or its answer. */
export interface Whole {
  readonly head: Head;
  readonly body: Uint8Array;
  readonly trailers: Head | null;
}

export interface PackedWhole {
  readonly head: PackedHead;
  readonly body: Uint8Array<ArrayBuffer>;
  readonly trailers: PackedHead | null;
}

export function packWhole({ head, body, trailers }: Whole): PackedWhole {
  return { head: packHead(head), body: ownBytes(body), trailers: trailers === null ? null : packHead(trailers) };
}

export function unpackWhole({ head, body, trailers }: PackedWhole): Whole & { readonly body: Buffer } {
  return {
    head: unpackHead(head),
    body: bufferOf(body),
    trailers: trailers === null ? null : unpackHead(trailers),
  };
}

/** What became of a head: its line, fields that were removed by their index, and fields that were added. */
export interface HeadChanges {
  readonly line: Line;
  readonly removed: readonly number[];
  readonly added: readonly string[];
}

/** A head in the thread, with what it was when the shard last heard of it. */
export class HeadCopy {
  readonly head: Head;
  private told: PackedHead;

  constructor(packed: PackedHead) {
    this.head = unpackHead(packed);
    this.told = packed;
  }

  /** What was done to it since the last call; null: nothing. */
  changes(): HeadChanges | null {
    const { told } = this;
    const now = packHead(this.head);
    let same = now.length === told.length;
    for (let i = 0; i < LINE; i++) same &&= now[i] === told[i];
    const removed: number[] = [];
    for (let i = LINE; i < told.length; i += 2) if (now[i] !== told[i]) removed.push((i - LINE) >> 1);
    if (same && removed.length === 0) return null;
    this.told = now;
    const [method, scheme, path, authority, status, contentLength, ...fields] = now;
    const line: Line = [method, scheme, path, authority, status, contentLength];
    return { line, removed, added: fields.slice(told.length - LINE) };
  }
}

/** Does to the original what was done to the copy. Nobody else may have changed it since it was packed. */
export function applyHead(head: Head, { line, removed, added }: HeadChanges): void {
  for (const index of removed) if (index < head.size) head.removeAt(index);
  for (const text of added) head.added.push(text);
  const [method, scheme, path, authority, status, contentLength] = line;
  if (method !== '' && path !== head.path) head.newPath = path;
  if (method !== '' && authority !== head.authority) head.newAuthority = authority;
  head.method = method;
  head.scheme = scheme;
  head.status = status;
  head.contentLength = contentLength;
}

type Heads = 'requestHead' | 'responseHead' | 'responseTrailers';

/** When a thread is told of what a record has: when the stream is opened there, or with later events, too. */
const TOLD: Readonly<
  Record<Exclude<keyof ExchangeRecord, Heads | 'connection' | 'terminationDetails'>, 'once' | 'again'>
> = {
  direction: 'once',
  protocol: 'once',
  startTime: 'once',
  originalPath: 'once',
  requestId: 'once',
  source: 'once',
  sourcePrincipal: 'once',
  requestEndMs: 'again',
  responseStartMs: 'again',
  durationMs: 'again',
  upstreamServiceMs: 'again',
  bytesReceived: 'again',
  bytesSent: 'again',
  messages: 'again',
  responseCode: 'again',
  responseCodeDetails: 'again',
  flags: 'again',
  virtualHostName: 'again',
  routeName: 'again',
  clusterName: 'again',
  clusterEndpoints: 'again',
  upstreamHost: 'again',
  upstreamLocalAddress: 'again',
  upstreamTls: 'again',
  upstreamTransportFailure: 'again',
  attempts: 'again',
  destination: 'again',
  destinationService: 'again',
  destinationPort: 'again',
};
const NAMES = Object.keys(TOLD) as (keyof typeof TOLD)[];
const AGAIN = NAMES.filter((name) => TOLD[name] === 'again');

type Values = readonly ExchangeRecord[keyof typeof TOLD][];
/** Values of AGAIN. */
export type LaterFacts = Values;
/** The connection, and values of NAMES. */
export type Facts = readonly [
  id: number,
  remoteAddress: string,
  remotePort: number,
  localAddress: string,
  localPort: number,
  tls: TlsFacts | null,
  ...Values,
];

export function factsOf(record: ExchangeRecord): Facts {
  const { id, remoteAddress, remotePort, localAddress, localPort, tls } = record.connection;
  return [id, remoteAddress, remotePort, localAddress, localPort, tls, ...NAMES.map((name) => record[name])];
}

export function laterFacts(record: ExchangeRecord): LaterFacts {
  return AGAIN.map((name) => record[name]);
}

/** A record in the thread: as the shard last told of it. */
export type RecordCopy = { -readonly [K in keyof ExchangeRecord]: ExchangeRecord[K] };

export function unpackRecord(facts: Facts, requestHead: Head): RecordCopy {
  const [id, remoteAddress, remotePort, localAddress, localPort, tls, ...values] = facts;
  const connection: ConnectionFacts = { id, remoteAddress, remotePort, localAddress, localPort, tls };
  const record = { connection, requestHead, responseHead: null, responseTrailers: null } as RecordCopy;
  learn(record, NAMES, values);
  return record;
}

export function learnFacts(record: RecordCopy, facts: LaterFacts): void {
  learn(record, AGAIN, facts);
}

function learn(record: RecordCopy, names: readonly (keyof typeof TOLD)[], values: Values): void {
  for (let i = 0; i < names.length; i++) record[names[i]] = values[i] as never;
}

export interface PackedToken {
  readonly payload: Uint8Array;
  readonly issuer: string;
  readonly spaceDelimited: readonly string[];
}

export function packToken({ payload, issuer, spaceDelimited }: VerifiedToken): PackedToken {
  return { payload: ownBytes(payload), issuer, spaceDelimited };
}

/** A token that was verified before it was packed. */
export function unpackToken({ payload, issuer, spaceDelimited }: PackedToken): VerifiedToken | null {
  const claims = strictObject(payload);
  return claims === null ? null : new VerifiedToken({ claims, issuer, payload: Buffer.from(payload) }, spaceDelimited);
}

/** These very bytes: what crossed threads has lost its class. */
export function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

/** Bytes in memory of their own, which can be handed to another thread: a view would drag along what it looks into. */
export function ownBytes(bytes: Uint8Array): Buffer<ArrayBuffer> {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  return own;
}
