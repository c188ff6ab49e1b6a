// The first stage of a request: who is calling, under which request id, what the next hop is told of where it came from, and
// which of the fields that the mesh itself writes are dropped because they came from somebody who may not set them.

import { randomFillSync } from 'node:crypto';
import { FieldName, type Head } from '../http/head.ts';
import type { Workload } from '../workload.ts';
import type { Exchange } from './exchange.ts';
import type { ForwardedCertificate } from './forwarded-certificate.ts';

const REQUEST_ID = new FieldName('x-request-id');
const CLIENT_CERT = new FieldName('x-forwarded-client-cert');
const PEER_METADATA = new FieldName('x-envoy-peer-metadata');
const PEER_METADATA_ID = new FieldName('x-envoy-peer-metadata-id');
const FORWARDED_FOR = new FieldName('x-forwarded-for');
const FORWARDED_PROTO = new FieldName('x-forwarded-proto');

export function identify(exchange: Exchange): void {
  const { requestHead: head, direction, connection } = exchange;
  const { peer } = connection;
  exchange.source = peer.workload;
  exchange.sourcePrincipal = peer.principal;
  // It says whose certificate somebody saw: a peer of the mesh, or nobody.
  if (direction === 'outbound') head.remove(CLIENT_CERT);
  else forwardCertificate(head, exchange.snapshot.clientCert, connection.tls?.forwarded ?? '');
  if (direction === 'outbound') {
    const { id } = exchange.shard.node;
    head.remove(PEER_METADATA);
    if (id !== '') head.put(PEER_METADATA_ID, id);
    forwardWithin(head);
  } else if (direction === 'gateway') forwardFromEdge(head, connection.remoteAddress);
  else {
    if (exchange.source === null) exchange.source = labelsOf(head.get(PEER_METADATA_ID));
    head.remove(PEER_METADATA);
    head.remove(PEER_METADATA_ID);
    forwardWithin(head);
  }
  exchange.requestId = requestId(head);
}

/** At the edge: only what this proxy has seen itself is told on, after what the client says of hops before it. */
function forwardFromEdge(head: Head, clientAddress: string): void {
  stripUntrusted(head);
  const forwarded = head.joined(FORWARDED_FOR);
  head.put(FORWARDED_FOR, forwarded === undefined ? clientAddress : `${forwarded}, ${clientAddress}`);
  head.put(FORWARDED_PROTO, head.scheme);
}

/** `shown`: the element of the client's own certificate; '': it has shown none, and what it says of others' counts for nothing. */
function forwardCertificate(head: Head, how: ForwardedCertificate, shown: string): void {
  if (how === 'ALWAYS_FORWARD_ONLY') return;
  if (how === 'SANITIZE' || shown === '') head.remove(CLIENT_CERT);
  else if (how === 'SANITIZE_SET') head.put(CLIENT_CERT, shown);
  else if (how === 'APPEND_FORWARD') {
    const before = head.joined(CLIENT_CERT, ',');
    head.put(CLIENT_CERT, before === undefined ? shown : `${before},${shown}`);
  }
}

/** Within the mesh an earlier hop may have told it. */
function forwardWithin(head: Head): void {
  if (!head.has(FORWARDED_PROTO)) head.add('x-forwarded-proto', head.scheme);
}

function stripUntrusted(head: Head): void {
  const { spans, bytes } = head;
  for (let at = 0; at < spans.length; at += 4) {
    const start = spans[at];
    if (start < 0 || spans[at + 1] < 8 || (bytes[start] | 32) !== 0x78 || bytes[start + 1] !== 0x2d) continue;
    if (bytes.latin1Slice(start, start + 8).toLowerCase() === 'x-envoy-') spans[at] = -1;
  }
}

/** Callers by what they say of themselves. The same object each time, by which telemetry finds where to count. */
const hearsay = new Map<string, Workload>();
const MAX_HEARSAY = 1024;
const MAX_NODE_ID = 512;

/** Labels for telemetry from 'sidecar~address~name.namespace~domain'. Says nothing about who it really is. */
function labelsOf(nodeId: string | undefined): Workload | null {
  if (nodeId === undefined || nodeId.length > MAX_NODE_ID) return null;
  const known = hearsay.get(nodeId);
  if (known !== undefined) return known;
  const name = nodeId.split('~')[2];
  if (name === undefined || name.length > 253) return null;
  if (hearsay.size === MAX_HEARSAY) hearsay.clear();
  const claimed = claimedBy(name);
  hearsay.set(nodeId, claimed);
  return claimed;
}

function claimedBy(name: string): Workload {
  const dot = name.lastIndexOf('.');
  const workload = dot < 0 ? name : name.slice(0, dot);
  return {
    name: workload,
    workload,
    namespace: dot < 0 ? 'default' : name.slice(dot + 1),
    serviceAccount: '',
    trustDomain: '',
    labels: {},
  };
}

const ACCEPTABLE_ID = /^[\w.:-]{1,128}$/;

/** The caller's id when it is one that fits a log line, else a new one. */
function requestId(head: Head): string {
  const given = head.get(REQUEST_ID);
  if (given !== undefined && ACCEPTABLE_ID.test(given)) return given;
  const id = newRequestId();
  head.put(REQUEST_ID, id);
  return id;
}

/** Random bytes are drawn for this many ids at once. */
const IDS = 256;
const random = Buffer.allocUnsafeSlow(16 * IDS);
let used = random.length;

const HEX = Buffer.from('0123456789abcdef', 'latin1');
const text = Buffer.alloc(36, '-', 'latin1');
// Where each byte's two digits stand: 8-4-4-4-12.
const AT = Uint8Array.of(0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34);

/** A random UUID (RFC 9562, version 4), at a third of what crypto.randomUUID costs. */
export function newRequestId(): string {
  if (used === random.length) {
    randomFillSync(random);
    used = 0;
  }
  random[used + 6] = 0x40 | (random[used + 6] & 0x0f);
  random[used + 8] = 0x80 | (random[used + 8] & 0x3f);
  for (let i = 0; i < 16; i++) {
    const byte = random[used + i];
    text[AT[i]] = HEX[byte >> 4];
    text[AT[i] + 1] = HEX[byte & 15];
  }
  used += 16;
  return text.latin1Slice(0, 36);
}
