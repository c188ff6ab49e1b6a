// From heads to header blocks (RFC 7541): the one writer of fields of HTTP/2, from the bytes that they were received in. Like its
// neighbour of HTTP/1 it refuses every field that may not be written, whoever added it.

import type { Head } from '../http/head.ts';
import { refused } from '../http1/encoder.ts';
import { classify, OTHER, TE, TOKEN_BYTE, VALUE_BYTE } from '../http1/fields.ts';
import { DynamicTable, findStaticName, STATIC_COUNT, STATIC_FIELDS, staticIndex, TABLE_SIZE } from './hpack-table.ts';

const AUTHORITY = staticIndex(':authority');
const METHOD = staticIndex(':method');
const PATH = staticIndex(':path');
const SCHEME = staticIndex(':scheme');
const STATUS = staticIndex(':status');
/** Of these indexes, from STATUS on. */
const STATUSES = [200, 204, 206, 304, 400, 404, 500];
const CONTENT_LENGTH = staticIndex('content-length');
const EXPECT = staticIndex('expect');
const AUTHORIZATION = staticIndex('authorization');
const PROXY_AUTHORIZATION = staticIndex('proxy-authorization');
const COOKIE = staticIndex('cookie');
/** A cookie that is shorter could be guessed by who sees how well it is compressed (RFC 7541 7.1.3). */
const SHORT_COOKIE = 20;
/** Values that are longer come only once. */
const LONGEST_INDEXED = 512;
/** More than the pseudo-headers and fields of this writer's own can take beside their values. */
const OWN_FIELDS = 160;

const INDEXED = 0x80;
const INDEXING = 0x40;
const RESIZE = 0x20;
const NEVER = 0x10;

const AUTHORITY_TEXT = /^[A-Za-z0-9\-._~:[\]]*$/;
const PATH_TEXT = /^[\x21\x22\x24-\x7e]+$/;
const SLOTS = 256;

/** The field that is being written, its name in lower case and its value behind it. One a shard. */
let staged = Buffer.allocUnsafeSlow(4096);
let nameLength = 0;
let valueLength = 0;
let nameHash = 0;

export class HpackEncoder {
  private readonly table = new DynamicTable();
  /** By hash of a field: the entry that it is, perhaps, and the hash that came by last. */
  private readonly entries = new Int32Array(SLOTS).fill(-1);
  private readonly seen = new Int32Array(SLOTS);
  /** The smallest size that the peer has allowed since the last block; -1: it has said nothing. */
  private smallest = -1;
  private most = TABLE_SIZE;
  private b: Buffer = staged;
  private at = 0;

  /** The peer says how large a table it keeps. */
  limit(size: number): void {
    const most = Math.min(size, TABLE_SIZE);
    if (most === this.most && this.smallest < 0) return;
    this.smallest = this.smallest < 0 ? most : Math.min(this.smallest, most);
    this.most = most;
  }

  /** An upper bound, in bytes, of a head's block. */
  size(head: Head): number {
    const { spans, added } = head;
    let size = OWN_FIELDS + head.method.length + head.pathLength + head.authorityLength;
    size += (head.newPath?.length ?? 0) + (head.newAuthority?.length ?? 0);
    for (let i = 0; i < spans.length; i += 4) size += spans[i + 1] + spans[i + 3] + 12;
    for (let i = 0; i < added.length; i++) size += added[i].length + 6;
    return size;
  }

  /** Writes a request's block; `length` -1: none is announced. Returns the offset after it, or -1: path or authority are none. */
  request(b: Buffer, at: number, head: Head, length: number): number {
    const { newPath, newAuthority } = head;
    if (newPath !== null && !PATH_TEXT.test(newPath)) return -1;
    if (newAuthority !== null && !AUTHORITY_TEXT.test(newAuthority)) return -1;
    this.begin(b, at);
    if (head.method === 'GET') this.byte(INDEXED | METHOD);
    else if (head.method === 'POST') this.byte(INDEXED | (METHOD + 1));
    else this.text(METHOD, head.method);
    this.byte(INDEXED | (head.scheme === 'http' ? SCHEME : SCHEME + 1));
    if (newAuthority !== null) this.text(AUTHORITY, newAuthority);
    else if (head.authorityLength > 0) this.span(AUTHORITY, head.bytes, head.authorityStart, head.authorityLength);
    if (newPath !== null) this.text(PATH, newPath);
    else this.span(PATH, head.bytes, head.pathStart, head.pathLength);
    this.fields(head);
    if (head.expectContinue) this.text(EXPECT, '100-continue');
    if (length >= 0) this.text(CONTENT_LENGTH, String(length));
    return this.at;
  }

  /** Writes a response's block, also an interim one's. What can be no status is written as 500. */
  response(b: Buffer, at: number, head: Head, length: number): number {
    this.begin(b, at);
    const { status } = head;
    const known = STATUSES.indexOf(status);
    if (known >= 0) this.byte(INDEXED | (STATUS + known));
    else this.text(STATUS, String(status >= 100 && status <= 999 ? status : 500));
    this.fields(head);
    if (length >= 0) this.text(CONTENT_LENGTH, String(length));
    return this.at;
  }

  trailers(b: Buffer, at: number, head: Head): number {
    this.begin(b, at);
    this.fields(head);
    return this.at;
  }

  private begin(b: Buffer, at: number): void {
    this.b = b;
    this.at = at;
    if (this.smallest < 0) return;
    // RFC 7541 4.2: it may have been smaller meanwhile, and the peer has thrown out what did not fit.
    if (this.smallest < this.most) this.resize(this.smallest);
    this.resize(this.most);
    this.smallest = -1;
  }

  private resize(size: number): void {
    this.table.resize(size);
    this.integer(RESIZE, 5, size);
  }

  /** Received fields first, then what was added. */
  private fields(head: Head): void {
    const { spans, bytes, added, checked, neverIndexed } = head;
    for (let i = 0; i < spans.length; i += 4) {
      const name = spans[i];
      if (name < 0) continue;
      stageSpans(bytes, name, spans[i + 1], spans[i + 2], spans[i + 3]);
      if (checked || stagedAllowed()) this.field(neverIndexed?.includes(name) === true);
      else refused.fields++;
    }
    for (let i = 0; i < added.length; i += 2) {
      if (added[i] === '') continue;
      if (stageTexts(added[i], added[i + 1]) && stagedAllowed()) this.field(false);
      else refused.fields++;
    }
  }

  private text(index: number, value: string): void {
    stageName(index, value.length);
    for (let i = 0; i < value.length; i++) staged[nameLength + i] = value.charCodeAt(i);
    this.named(index);
  }

  private span(index: number, from: Buffer, start: number, length: number): void {
    stageName(index, length);
    copy(staged, nameLength, from, start, length);
    this.named(index);
  }

  private named(index: number): void {
    if (index === PATH && valueLength === 1 && staged[nameLength] === 47) this.byte(INDEXED | PATH);
    else this.indexing(index);
  }

  /** Writes what is staged. */
  private field(never: boolean): void {
    const known = findStaticName(nameHash, staged, 0, nameLength);
    if (never || isSecret(known)) this.literal(NEVER, 4, known);
    else this.indexing(known);
  }

  private indexing(known: number): void {
    if (valueLength > LONGEST_INDEXED) {
      this.literal(0, 4, known);
      return;
    }
    let hash = nameHash;
    const length = nameLength + valueLength;
    for (let i = nameLength; i < length; i++) hash = (Math.imul(hash, 31) + staged[i]) | 0;
    const slot = (hash ^ (hash >>> 16)) & (SLOTS - 1);
    const { table } = this;
    const entry = this.entries[slot];
    if (table.has(entry) && table.nameLength(entry) === nameLength && table.valueLength(entry) === valueLength) {
      if (sameBytes(table.bytes, table.start(entry), length)) {
        this.integer(INDEXED, 7, STATIC_COUNT + table.inserted - entry);
        return;
      }
    }
    if (this.seen[slot] !== hash) {
      // Only what comes again is worth a place in the table.
      this.seen[slot] = hash;
      this.literal(0, 4, known);
      return;
    }
    this.literal(INDEXING, 6, known);
    table.insert(staged, 0, nameLength, nameLength, valueLength);
    this.entries[slot] = table.inserted - 1;
  }

  /**
   * Names and values as they are. The Huffman code would save 33 bytes of a path, a request id and a traceparent together, for half a
   * microsecond (bench/micro/huffman.ts): what comes again is in the table, and costs a byte.
   */
  private literal(pattern: number, prefix: number, known: number): void {
    this.integer(pattern, prefix, known);
    if (known === 0) {
      this.integer(0, 7, nameLength);
      this.at = copy(this.b, this.at, staged, 0, nameLength);
    }
    this.integer(0, 7, valueLength);
    this.at = copy(this.b, this.at, staged, nameLength, valueLength);
  }

  /** RFC 7541 5.1. */
  private integer(pattern: number, prefix: number, value: number): void {
    const most = (1 << prefix) - 1;
    if (value < most) {
      this.byte(pattern | value);
      return;
    }
    this.byte(pattern | most);
    let rest = value - most;
    for (; rest >= 128; rest >>>= 7) this.byte(128 | (rest & 127));
    this.byte(rest);
  }

  private byte(value: number): void {
    this.b[this.at++] = value;
  }
}

/** What must not be found out by how well it is compressed. */
function isSecret(known: number): boolean {
  return known === AUTHORIZATION || known === PROXY_AUTHORIZATION || (known === COOKIE && valueLength < SHORT_COOKIE);
}

function room(size: number): void {
  if (staged.length < size) staged = Buffer.allocUnsafeSlow(size * 2);
}

function stageName(index: number, length: number): void {
  const { name, hash } = STATIC_FIELDS[index];
  room(name.length + length);
  for (let i = 0; i < name.length; i++) staged[i] = name[i];
  nameLength = name.length;
  valueLength = length;
  nameHash = hash;
}

function stageSpans(from: Buffer, name: number, nameSize: number, value: number, valueSize: number): void {
  room(nameSize + valueSize);
  let hash = 7;
  for (let i = 0; i < nameSize; i++) {
    const c = from[name + i];
    const lower = c <= 90 && c >= 65 ? c | 32 : c;
    staged[i] = lower;
    hash = (Math.imul(hash, 31) + lower) | 0;
  }
  copy(staged, nameSize, from, value, valueSize);
  nameLength = nameSize;
  valueLength = valueSize;
  nameHash = hash;
}

/** False: they are no bytes. */
function stageTexts(name: string, value: string): boolean {
  room(name.length + value.length);
  let hash = 7;
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c > 255) return false;
    const lower = c <= 90 && c >= 65 ? c | 32 : c;
    staged[i] = lower;
    hash = (Math.imul(hash, 31) + lower) | 0;
  }
  // Blanks around a value are no part of it.
  let start = 0;
  let end = value.length;
  while (start < end && isBlank(value.charCodeAt(start))) start++;
  while (end > start && isBlank(value.charCodeAt(end - 1))) end--;
  for (let i = start; i < end; i++) {
    const c = value.charCodeAt(i);
    if (c > 255) return false;
    staged[name.length + i - start] = c;
  }
  nameLength = name.length;
  valueLength = end - start;
  nameHash = hash;
  return true;
}

/** A token that steers no framing, and a value without control characters (RFC 9113 8.2.1). */
function stagedAllowed(): boolean {
  if (nameLength === 0) return false;
  const end = nameLength + valueLength;
  for (let i = 0; i < nameLength; i++) if (TOKEN_BYTE[staged[i]] === 0) return false;
  for (let i = nameLength; i < end; i++) if (VALUE_BYTE[staged[i]] === 0) return false;
  const kind = classify(staged, 0, nameLength);
  return kind === OTHER || kind === TE;
}

function isBlank(c: number): boolean {
  return c === 32 || c === 9;
}

function sameBytes(bytes: Buffer, start: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (bytes[start + i] !== staged[i]) return false;
  return true;
}

/** Below this many bytes a loop is faster than a call out of JavaScript. */
const LOOP_BELOW = 48;

function copy(b: Buffer, at: number, from: Buffer, start: number, length: number): number {
  if (length < LOOP_BELOW) for (let i = 0; i < length; i++) b[at + i] = from[start + i];
  else from.copy(b, at, start, start + length);
  return at + length;
}

let scratch = Buffer.allocUnsafeSlow(16 << 10);

/** Where a block of at most so many bytes is written before its length is known. One a shard. */
export function scratchOf(size: number): Buffer {
  if (scratch.length < size) scratch = Buffer.allocUnsafeSlow(size);
  return scratch;
}
