// A Head as the header maps of the ABI: pseudo-headers and content-length appear as fields, names are lower-case.
// A name that occurs several times reads as one value joined with ", " (a filter that checks only the first could be
// passed by a second); cookie is joined with "; " as RFC 9113 8.2.3 says, and set-cookie reads its first value.
// Framing and hop-by-hop fields are the codec's: they are not in the map, and writing them has no effect.

import { fieldAllowed, type Head, nameAllowed } from '../../http/head.ts';
import type { HeadKind } from '../../http/pseudo-headers.ts';
import type { Pair } from './pairs.ts';

/** A message's frame: written by the codec, by the body that there is, and by nobody else. */
export const FRAMING: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const PATH = /^[\x21-\x7e\x80-\xff]+$/;
const AUTHORITY = /^[!#-.0-;=A-[\]_a-z~%]+$/;
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Index of the first live field at or after `from` whose name is these bytes, without regard to case; or -1. */
export function findField(head: Head, source: Uint8Array, at: number, length: number, from: number): number {
  const { spans, bytes, added } = head;
  const received = spans.length >> 2;
  for (let i = from; i < received; i++) {
    const span = i << 2;
    if (spans[span + 1] !== length || spans[span] < 0) continue;
    let p = spans[span];
    let k = 0;
    for (; k < length; k++, p++) {
      const a = bytes[p];
      const b = source[at + k];
      if (a !== b && foldCase(a) !== foldCase(b)) break;
    }
    if (k === length) return i;
  }
  for (let i = Math.max(0, from - received) << 1; i < added.length; i += 2) {
    const name = added[i];
    if (name.length !== length) continue;
    let k = 0;
    while (k < length && foldCase(name.charCodeAt(k)) === foldCase(source[at + k])) k++;
    if (k === length && length > 0) return received + (i >> 1);
  }
  return -1;
}

/** An ASCII letter in lower case; other codes as they are. */
export function foldCase(code: number): number {
  return code >= 65 && code <= 90 ? code | 32 : code;
}

/** True for names whose value `syntheticValue` knows, judged by what costs least: the first byte and the length. */
export function maybeSynthetic(firstByte: number, length: number): boolean {
  return firstByte === 58 || length === 14 || length === 4;
}

/** All values of the name at `index`, which occurs again at `again`, as one. */
export function joinedValue(head: Head, source: Uint8Array, at: number, length: number, index: number): string {
  const name = head.nameAt(index).toLowerCase();
  let value = head.valueAt(index);
  if (name === 'set-cookie') return value;
  const separator = name === 'cookie' ? '; ' : ', ';
  for (let i = findField(head, source, at, length, index + 1); i >= 0; i = findField(head, source, at, length, i + 1)) {
    value += separator + head.valueAt(i);
  }
  return value;
}

/** True for the lower-case names of fields that are neither framing nor a pseudo-header under another name. */
export function isPlainField(name: string): boolean {
  return name !== 'host' && !FRAMING.has(name) && nameAllowed(name);
}

/**
 * What became of a write. `refused`: name or value may not be on the wire; nothing was added. `ignored`: framing, which
 * is the codec's. `malformed`: a pseudo-header that this head cannot have.
 */
export type Written = 'done' | 'refused' | 'ignored' | 'malformed';

/** Adds a field of this (lower-case) name, or sets the pseudo-header. */
export function addField(head: Head, kind: HeadKind, name: string, value: string): Written {
  if (name.charCodeAt(0) === 58) return writePseudo(head, kind, name, value);
  if (FRAMING.has(name)) return 'ignored';
  if (name === 'host') return kind === 'request' ? writePseudo(head, kind, ':authority', value) : 'ignored';
  if (!fieldAllowed(name, value)) return 'refused';
  head.added.push(name, value);
  return 'done';
}

/**
 * Removes every field whose name is these bytes. Pseudo-headers stay; without content-length the body is of unknown
 * length. Before a replacement too, so that a value which may not be written leaves nothing of the old one behind.
 */
export function removeField(head: Head, source: Uint8Array, at: number, length: number): void {
  const received = head.spans.length >> 2;
  for (let i = findField(head, source, at, length, 0); i >= 0; i = findField(head, source, at, length, i + 1)) {
    head.removeAt(i, received);
  }
}

/** Content-length was removed: the body's length is unknown, and the codec chooses another framing. */
export function forgetLength(head: Head, kind: HeadKind): void {
  if (kind !== 'trailers' && head.contentLength > 0) head.contentLength = -1;
}

/** Replaces the whole map. Pseudo-headers that the pairs do not name keep their value. */
export function replaceAll(head: Head, kind: HeadKind, pairs: readonly Pair[]): Written {
  const { size } = head;
  for (let i = 0; i < size; i++) head.removeAt(i);
  let worst: Written = 'done';
  let length = false;
  for (const [name, value] of pairs) {
    if (name === 'content-length') length = true;
    const written = addField(head, kind, name, value);
    if (written === 'refused' || written === 'malformed') worst = written;
  }
  if (!length) forgetLength(head, kind);
  return worst;
}

function writePseudo(head: Head, kind: HeadKind, name: string, value: string): Written {
  if (kind === 'response') {
    const status = Number(value);
    if (name !== ':status' || !/^[2-5]\d\d$/.test(value)) return 'malformed';
    head.status = status;
    return 'done';
  }
  if (kind === 'trailers') return 'malformed';
  if (name === ':path' && PATH.test(value) && (value.startsWith('/') || value === '*')) head.newPath = value;
  else if (name === ':authority' && AUTHORITY.test(value)) head.newAuthority = value;
  else if (name === ':method' && METHOD.test(value)) head.method = value;
  else if (name === ':scheme' && (value === 'http' || value === 'https')) head.scheme = value;
  else return 'malformed';
  return 'done';
}
