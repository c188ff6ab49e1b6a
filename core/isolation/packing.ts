// Exchanges as plain data, for a thread that shares nothing with the shard: heads as lists of their fields, what was done
// to a copy as a difference that the original can follow, and the record's facts.

import { strictObject } from '../builtins/authn/strict-json.ts';
import { VerifiedToken } from '../builtins/authn/verified.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import { Head } from '../http/head.ts';

export interface PackedHead {
  /** name, value, name, value, ... in the order of the head's indexes; name '' = removed. */
  readonly fields: string[];
  readonly method: string;
  readonly scheme: Head['scheme'];
  readonly path: string;
  readonly authority: string;
  readonly status: number;
  readonly contentLength: number;
}

export function packHead(head: Head): PackedHead {
  const { size, method, status } = head;
  const fields: string[] = new Array(size * 2);
  for (let i = 0; i < size; i++) {
    const name = head.nameAt(i);
    fields[i * 2] = name;
    fields[i * 2 + 1] = name === '' ? '' : head.valueAt(i);
  }
  const request = method !== '';
  return {
    fields,
    method,
    scheme: head.scheme,
    path: request ? head.path : '',
    authority: request ? head.authority : '',
    status,
    contentLength: head.contentLength,
  };
}

export function unpackHead(packed: PackedHead): Head {
  const head =
    packed.method === '' ? Head.response(packed.status) : Head.request(packed.method, packed.authority, packed.path);
  head.scheme = packed.scheme;
  head.contentLength = packed.contentLength;
  for (const text of packed.fields) head.added.push(text);
  return head;
}

/** Bytes of a packed head, near enough to bound what waits. */
export function packedSize({ fields, path }: PackedHead): number {
  let size = 64 + path.length;
  for (const text of fields) size += text.length;
  return size;
}

/** What became of a head: fields that were removed by their index, fields that were added, and what else has a new value. */
export interface HeadChanges {
  readonly removed: readonly number[];
  readonly added: readonly string[];
  readonly method: string | null;
  readonly scheme: Head['scheme'] | null;
  readonly path: string | null;
  readonly authority: string | null;
  readonly status: number;
  readonly contentLength: number;
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
    const { head, told } = this;
    const { added } = head;
    const removed: number[] = [];
    const { fields } = told;
    for (let i = 0; i < fields.length; i += 2) if (added[i] === '' && fields[i] !== '') removed.push(i >> 1);
    const request = told.method !== '';
    const path = request && head.path !== told.path ? head.path : null;
    const authority = request && head.authority !== told.authority ? head.authority : null;
    const method = head.method !== told.method ? head.method : null;
    const scheme = head.scheme !== told.scheme ? head.scheme : null;
    const same =
      removed.length === 0 &&
      added.length === fields.length &&
      path === null &&
      authority === null &&
      method === null &&
      scheme === null &&
      head.status === told.status &&
      head.contentLength === told.contentLength;
    if (same) return null;
    const { status, contentLength } = head;
    const more = added.slice(fields.length);
    this.told = packHead(head);
    return { removed, added: more, method, scheme, path, authority, status, contentLength };
  }
}

/** Does to the original what was done to the copy. Nobody else may have changed it since it was packed. */
export function applyHead(head: Head, changes: HeadChanges): void {
  for (const index of changes.removed) if (index < head.size) head.removeAt(index);
  for (const text of changes.added) head.added.push(text);
  if (changes.method !== null) head.method = changes.method;
  if (changes.scheme !== null) head.scheme = changes.scheme;
  if (changes.path !== null) head.newPath = changes.path;
  if (changes.authority !== null) head.newAuthority = changes.authority;
  head.status = changes.status;
  head.contentLength = changes.contentLength;
}

type Heads = 'requestHead' | 'responseHead' | 'responseTrailers';
type Later =
  | 'requestEndMs'
  | 'responseStartMs'
  | 'durationMs'
  | 'upstreamServiceMs'
  | 'bytesReceived'
  | 'bytesSent'
  | 'responseCode'
  | 'responseCodeDetails'
  | 'flags'
  | 'routeName'
  | 'clusterName'
  | 'upstreamHost'
  | 'upstreamLocalAddress'
  | 'upstreamTransportFailure'
  | 'attempts'
  | 'destination'
  | 'destinationService'
  | 'destinationPort';

/** What of a record changes while the exchange goes on. */
export type LaterFacts = Pick<ExchangeRecord, Later>;
export type Facts = Omit<ExchangeRecord, Heads>;

export function laterFacts(record: ExchangeRecord): LaterFacts {
  return {
    requestEndMs: record.requestEndMs,
    responseStartMs: record.responseStartMs,
    durationMs: record.durationMs,
    upstreamServiceMs: record.upstreamServiceMs,
    bytesReceived: record.bytesReceived,
    bytesSent: record.bytesSent,
    responseCode: record.responseCode,
    responseCodeDetails: record.responseCodeDetails,
    flags: record.flags,
    routeName: record.routeName,
    clusterName: record.clusterName,
    upstreamHost: record.upstreamHost,
    upstreamLocalAddress: record.upstreamLocalAddress,
    upstreamTransportFailure: record.upstreamTransportFailure,
    attempts: record.attempts,
    destination: record.destination,
    destinationService: record.destinationService,
    destinationPort: record.destinationPort,
  };
}

export function factsOf(record: ExchangeRecord): Facts {
  const { id, remoteAddress, remotePort, localAddress, localPort } = record.connection;
  return {
    ...laterFacts(record),
    direction: record.direction,
    connection: { id, remoteAddress, remotePort, localAddress, localPort },
    protocol: record.protocol,
    startTime: record.startTime,
    originalPath: record.originalPath,
    requestId: record.requestId,
    source: record.source,
    sourcePrincipal: record.sourcePrincipal,
  };
}

export interface PackedToken {
  readonly payload: Uint8Array;
  readonly issuer: string;
  readonly spaceDelimited: readonly string[];
}

export function packToken({ payload, issuer, spaceDelimited }: VerifiedToken): PackedToken {
  return { payload: new Uint8Array(payload), issuer, spaceDelimited };
}

/** A token that was verified before it was packed. */
export function unpackToken({ payload, issuer, spaceDelimited }: PackedToken): VerifiedToken | null {
  const claims = strictObject(payload);
  return claims === null ? null : new VerifiedToken({ claims, issuer, payload: Buffer.from(payload) }, spaceDelimited);
}

/** Bytes in memory of their own, which can be handed to another thread: a view would drag along what it looks into. */
export function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const own = new Uint8Array(bytes.length);
  own.set(bytes);
  return own;
}
