// The fields that HPACK names by a number (RFC 7541 2.3): the static ones, and those that a connection's messages have put into its
// dynamic table. All are bytes, one beside the other:
//
//   bytes   ... n a m e v a l u e n a m e v a l u e ...     each entry's place and lengths by its number of insertion

import { codesOf, sameBytes } from '../http1/fields.ts';

/** RFC 7541 appendix A, name and value. */
const STATIC: readonly (readonly [string, string])[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

export interface StaticField {
  readonly name: Uint8Array;
  readonly value: Uint8Array;
  /** Of the name. */
  readonly hash: number;
}

/** By index, from 1. */
export const STATIC_FIELDS: readonly StaticField[] = [['', ''], ...STATIC].map(([name, value]) => ({
  name: codesOf(name),
  value: codesOf(value),
  hash: codesOf(name).reduce((hash, c) => (Math.imul(hash, 31) + c) | 0, 7),
}));
export const STATIC_COUNT = STATIC.length;

/** The first index of this static name. */
export function staticIndex(name: string): number {
  const index = STATIC.findIndex(([known]) => known === name) + 1;
  if (index === 0) throw new Error(`${name} is no static name`);
  return index;
}

// First indexes of names by the low bits of their hash, for writers.
const SLOTS = 256;
const BY_HASH: (number[] | undefined)[] = new Array(SLOTS).fill(undefined);
for (let index = 1; index <= STATIC_COUNT; index++) {
  if (staticIndex(STATIC[index - 1][0]) !== index) continue;
  const slot = STATIC_FIELDS[index].hash & (SLOTS - 1);
  BY_HASH[slot] = [...(BY_HASH[slot] ?? []), index];
}

/** The first index of the static name that these lower-case bytes are; 0: none. `hash`: as StaticField has it. */
export function findStaticName(hash: number, bytes: Buffer, start: number, length: number): number {
  const candidates = BY_HASH[hash & (SLOTS - 1)];
  if (candidates === undefined) return 0;
  for (let i = 0; i < candidates.length; i++) {
    const known = STATIC_FIELDS[candidates[i]];
    if (known.hash === hash && known.name.length === length && sameBytes(bytes, start, length, known.name)) {
      return candidates[i];
    }
  }
  return 0;
}

/** As large as a dynamic table is at first, and as ours ever get. */
export const TABLE_SIZE = 4096;
/** What an entry counts beside its bytes. */
const OVERHEAD = 32;
const MOST_ENTRIES = TABLE_SIZE / OVERHEAD;

export class DynamicTable {
  /** Entries that were ever put in: each is known by how many there were before it. */
  inserted = 0;
  /** Those that are still there. */
  count = 0;
  bytes: Buffer = NOTHING;
  private readonly starts = new Int32Array(MOST_ENTRIES);
  private readonly nameLengths = new Int32Array(MOST_ENTRIES);
  private readonly valueLengths = new Int32Array(MOST_ENTRIES);
  private size = 0;
  private most = TABLE_SIZE;
  /** Of the last entry. */
  private end = 0;

  start(entry: number): number {
    return this.starts[entry & (MOST_ENTRIES - 1)];
  }

  nameLength(entry: number): number {
    return this.nameLengths[entry & (MOST_ENTRIES - 1)];
  }

  valueLength(entry: number): number {
    return this.valueLengths[entry & (MOST_ENTRIES - 1)];
  }

  has(entry: number): boolean {
    return entry >= this.inserted - this.count && entry < this.inserted;
  }

  /** At most TABLE_SIZE. */
  resize(most: number): void {
    this.most = most;
    this.evict(0);
  }

  /** Makes room for an entry and puts it in; one that is larger than the table empties it. The bytes are not its own. */
  insert(from: Buffer, name: number, nameLength: number, value: number, valueLength: number): void {
    const needed = nameLength + valueLength + OVERHEAD;
    this.evict(needed);
    if (needed > this.most) return;
    if (this.bytes === NOTHING) this.bytes = Buffer.allocUnsafeSlow(2 * TABLE_SIZE);
    if (this.end + nameLength + valueLength > this.bytes.length) this.compact();
    const slot = this.inserted & (MOST_ENTRIES - 1);
    this.starts[slot] = this.end;
    this.nameLengths[slot] = nameLength;
    this.valueLengths[slot] = valueLength;
    from.copy(this.bytes, this.end, name, name + nameLength);
    from.copy(this.bytes, this.end + nameLength, value, value + valueLength);
    this.end += nameLength + valueLength;
    this.size += needed;
    this.inserted++;
    this.count++;
  }

  private evict(needed: number): void {
    while (this.count > 0 && this.size + needed > this.most) {
      const oldest = this.inserted - this.count;
      this.size -= this.nameLength(oldest) + this.valueLength(oldest) + OVERHEAD;
      this.count--;
    }
  }

  /** Moves what is there to the beginning. */
  private compact(): void {
    const oldest = this.inserted - this.count;
    const by = this.count === 0 ? this.end : this.start(oldest);
    this.bytes.copyWithin(0, by, this.end);
    for (let entry = oldest; entry < this.inserted; entry++) this.starts[entry & (MOST_ENTRIES - 1)] -= by;
    this.end -= by;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);
