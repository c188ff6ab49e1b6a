// What the next hop is told of where a request came from, and what a caller from outside may not claim of it.

import { FieldName, type Head } from '../http/head.ts';

const FORWARDED_FOR = new FieldName('x-forwarded-for');
const FORWARDED_PROTO = new FieldName('x-forwarded-proto');

/** At the edge: only what this proxy has seen itself is told on, after what the client says of hops before it. */
export function forwardFromEdge(head: Head, clientAddress: string): void {
  stripUntrusted(head);
  const forwarded = head.joined(FORWARDED_FOR);
  head.put(FORWARDED_FOR, forwarded === undefined ? clientAddress : `${forwarded}, ${clientAddress}`);
  head.put(FORWARDED_PROTO, head.scheme);
}

/** Within the mesh an earlier hop may have told it. */
export function forwardWithin(head: Head): void {
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
