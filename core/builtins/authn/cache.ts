// What was found out about a token, by its bytes, for as long as that is asked for again. Two generations: what is not
// asked for while one fills up is forgotten with the next. Bounded by entries and by bytes of keys. Found by the last
// bytes of a key, which are those of a signature, and compared whole: a text of it, and its hash, would cost more than all
// the rest of the look-up. Two keys that end alike take each other's place.

const MAX_ENTRIES = 1024;
const MAX_BYTES = 1 << 20;

interface Kept<Entry> {
  readonly key: Buffer;
  readonly entry: Entry;
}

export class TokenCache<Entry> {
  private young = new Map<number, Kept<Entry>>();
  private old = new Map<number, Kept<Entry>>();
  private bytes = 0;

  /** By the bytes from `start` to `end`. */
  get(bytes: Buffer, start = 0, end = bytes.length): Entry | undefined {
    const place = placeOf(bytes, start, end);
    const kept = this.young.get(place);
    if (kept?.key.compare(bytes, start, end) === 0) return kept.entry;
    const older = this.old.get(place);
    if (older?.key.compare(bytes, start, end) !== 0) return undefined;
    this.set(older.key, older.entry);
    return older.entry;
  }

  /** Copies the key. */
  set(key: Buffer, entry: Entry): void {
    if (this.young.size >= MAX_ENTRIES || this.bytes + key.length > MAX_BYTES) {
      this.old = this.young;
      this.young = new Map();
      this.bytes = 0;
    }
    // Not of the pool, of which a slice holds the whole.
    this.young.set(placeOf(key, 0, key.length), { key: Buffer.from(new Uint8Array(key).buffer), entry });
    this.bytes += key.length;
  }

  delete(key: Buffer): void {
    const place = placeOf(key, 0, key.length);
    if (this.young.get(place)?.key.equals(key)) this.young.delete(place);
    if (this.old.get(place)?.key.equals(key)) this.old.delete(place);
  }

  /** At most twice what one generation holds. */
  get size(): number {
    return this.young.size + this.old.size;
  }
}

/** 30 bits, which is what an engine keeps without an object. */
function placeOf(bytes: Buffer, start: number, end: number): number {
  if (end - start < 8) return end - start;
  return (bytes.readInt32LE(end - 4) ^ Math.imul(bytes.readInt32LE(end - 8), 0x9e3779b1)) & 0x3fffffff;
}
