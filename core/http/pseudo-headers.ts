// A message's header map as filters, expressions and logs see it: the fields, and what peers read as fields and a Head keeps
// elsewhere, which is pseudo-headers, Host and Content-Length.

import type { Head } from './head.ts';

export type HeadKind = 'request' | 'response' | 'trailers';

const REQUEST: ReadonlySet<string> = new Set([':method', ':path', ':authority', ':scheme', 'host', 'content-length']);
const RESPONSE: ReadonlySet<string> = new Set([':status', 'content-length']);

/** True for a (lower-case) name whose value `syntheticValue` knows. */
export function isSynthetic(kind: HeadKind, name: string): boolean {
  return kind === 'request' ? REQUEST.has(name) : kind === 'response' && RESPONSE.has(name);
}

/** The value of a pseudo-header, host or content-length, which are no fields of a Head; null when this head has none. */
export function syntheticValue(head: Head, kind: HeadKind, name: string): string | null {
  if (kind === 'trailers') return null;
  if (name === 'content-length') return announcedLength(head, kind);
  if (kind === 'response') return name === ':status' && head.status !== 0 ? String(head.status) : null;
  switch (name) {
    case ':path':
      return head.path;
    case ':method':
      return head.method;
    case ':authority':
    case 'host':
      return head.authority;
    case ':scheme':
      return head.scheme;
    default:
      return null;
  }
}

/** Content-length as a peer would have sent it, or null when none is announced. */
export function announcedLength(head: Head, kind: HeadKind): string | null {
  if (head.contentLength > 0) return String(head.contentLength);
  if (head.contentLength < 0) return null;
  if (kind === 'request')
    return head.method === 'POST' || head.method === 'PUT' || head.method === 'PATCH' ? '0' : null;
  return head.status === 204 || head.status === 304 ? null : '0';
}

/** Fields that the map has, pseudo-headers included: what the headers callbacks are told. */
export function fieldCount(head: Head, kind: HeadKind): number {
  const { spans, added } = head;
  let count = kind === 'request' ? 4 : kind === 'response' ? 1 : 0;
  for (let i = 0; i < spans.length; i += 4) if (spans[i] >= 0) count++;
  for (let i = 0; i < added.length; i += 2) if (added[i] !== '') count++;
  if (kind !== 'trailers' && announcedLength(head, kind) !== null) count++;
  return count;
}

/** All of it, in the order in which a message is written; names in lower case. */
export function mapPairs(head: Head, kind: HeadKind): [string, string][] {
  const pairs: [string, string][] = [];
  if (kind === 'request') {
    pairs.push(
      [':authority', head.authority],
      [':path', head.path],
      [':method', head.method],
      [':scheme', head.scheme],
    );
  } else if (kind === 'response') pairs.push([':status', String(head.status)]);
  const { size } = head;
  for (let i = 0; i < size; i++) {
    const name = head.nameAt(i);
    if (name !== '') pairs.push([name.toLowerCase(), head.valueAt(i)]);
  }
  const length = kind === 'trailers' ? null : announcedLength(head, kind);
  if (length !== null) pairs.push(['content-length', length]);
  return pairs;
}

/** Bytes of all names and values, pseudo-headers included, as Envoy counts them. */
export function headerBytes(head: Head, kind: HeadKind): number {
  const { spans, added } = head;
  let bytes = 0;
  if (kind === 'request') {
    bytes = ':method:path:authority:scheme'.length + head.method.length + head.scheme.length;
    bytes += head.newPath?.length ?? head.pathLength;
    bytes += head.newAuthority?.length ?? head.authorityLength;
  } else if (kind === 'response') bytes = ':status200'.length;
  for (let i = 0; i < spans.length; i += 4) if (spans[i] >= 0) bytes += spans[i + 1] + spans[i + 3];
  for (let i = 0; i < added.length; i += 2) if (added[i] !== '') bytes += added[i].length + added[i + 1].length;
  const length = kind === 'trailers' ? null : announcedLength(head, kind);
  return length === null ? bytes : bytes + 'content-length'.length + length.length;
}
