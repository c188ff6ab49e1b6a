// The first stage of a request: who is calling, under which request id, and which of the fields that the mesh itself
// writes are dropped because they came from somebody who may not set them.

import { FieldName, type Head } from '../http/head.ts';
import { newRequestId } from '../http/request-id.ts';
import type { VirtualHost } from '../router/route.ts';
import type { ShardContext } from '../shard/context.ts';
import type { Connection } from '../transport/transport.ts';
import type { Workload } from '../workload.ts';
import type { Exchange } from './exchange.ts';

const REQUEST_ID = new FieldName('x-request-id');
const FORWARDED_FOR = new FieldName('x-forwarded-for');
const FORWARDED_PROTO = new FieldName('x-forwarded-proto');
const CLIENT_CERT = new FieldName('x-forwarded-client-cert');
const PEER_METADATA = new FieldName('x-envoy-peer-metadata');
const PEER_METADATA_ID = new FieldName('x-envoy-peer-metadata-id');

/** What a connection remembers between its requests. */
export class ConnectionMemo {
  peersVersion = -1;
  workload: Workload | null = null;
  /** 'cluster.local/ns/default/sa/bookinfo-productpage'; '' without an address of the caller's own. */
  principal = '';
  /** The authority of the last request, as bytes, and the virtual host it led to in the snapshot of this generation. */
  authority: Uint8Array | null = null;
  generation = 0;
  host: VirtualHost | null = null;
}

export function memoOf(connection: Connection): ConnectionMemo {
  const known = connection.memo;
  if (known instanceof ConnectionMemo) return known;
  const memo = new ConnectionMemo();
  connection.memo = memo;
  return memo;
}

export function identify(exchange: Exchange): void {
  const { shard, requestHead: head, direction } = exchange;
  const memo = memoOf(exchange.connection);
  // It says whose certificate somebody saw, and no connection has shown one.
  head.remove(CLIENT_CERT);
  if (direction === 'outbound') {
    if (memo.workload === null) memo.principal = principalOf(shard.node);
    memo.workload = shard.node;
    exchange.source = shard.node;
    exchange.sourcePrincipal = memo.principal;
    head.remove(PEER_METADATA);
    if (shard.node.id !== '') head.put(PEER_METADATA_ID, shard.node.id);
    if (!head.has(FORWARDED_PROTO)) head.add('x-forwarded-proto', head.scheme);
  } else {
    if (memo.peersVersion !== shard.peersVersion) recognise(memo, shard, exchange.connection.remoteAddress);
    exchange.source = memo.workload;
    exchange.sourcePrincipal = memo.principal;
    if (direction === 'gateway') {
      stripUntrusted(head);
      const forwarded = head.joined(FORWARDED_FOR);
      const { remoteAddress } = exchange.connection;
      head.put(FORWARDED_FOR, forwarded === undefined ? remoteAddress : `${forwarded}, ${remoteAddress}`);
      head.put(FORWARDED_PROTO, head.scheme);
    } else {
      if (exchange.source === null) exchange.source = labelsOf(head.get(PEER_METADATA_ID));
      head.remove(PEER_METADATA);
      head.remove(PEER_METADATA_ID);
      if (!head.has(FORWARDED_PROTO)) head.add('x-forwarded-proto', head.scheme);
    }
  }
  exchange.requestId = requestId(head);
}

/** An identity is the workload's own loopback address, and nothing that a header says. */
function recognise(memo: ConnectionMemo, shard: ShardContext, address: string): void {
  const peer = shard.peer(address);
  memo.peersVersion = shard.peersVersion;
  memo.workload = peer;
  memo.principal = peer === null ? '' : principalOf(peer);
}

export function principalOf(workload: Workload): string {
  return `${workload.trustDomain}/ns/${workload.namespace}/sa/${workload.serviceAccount}`;
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

function stripUntrusted(head: Head): void {
  const { spans, bytes } = head;
  for (let at = 0; at < spans.length; at += 4) {
    const start = spans[at];
    if (start < 0 || spans[at + 1] < 8 || (bytes[start] | 32) !== 0x78 || bytes[start + 1] !== 0x2d) continue;
    if (bytes.latin1Slice(start, start + 8).toLowerCase() === 'x-envoy-') spans[at] = -1;
  }
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
