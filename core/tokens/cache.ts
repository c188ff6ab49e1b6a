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

  get(key: Buffer): Entry | undefined {
    const place = placeOf(key);
    const kept = this.young.get(place);
    if (kept?.key.equals(key)) return kept.entry;
    const older = this.old.get(place);
    if (!older?.key.equals(key)) return undefined;
    this.set(key, older.entry);
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
    this.young.set(placeOf(key), { key: Buffer.from(new Uint8Array(key).buffer), entry });
    this.bytes += key.length;
  }

  delete(key: Buffer): void {
    const place = placeOf(key);
    if (this.young.get(place)?.key.equals(key)) this.young.delete(place);
    if (this.old.get(place)?.key.equals(key)) this.old.delete(place);
  }

  /** At most twice what one generation holds. */
  get size(): number {
    return this.young.size + this.old.size;
  }
}

/** 30 bits, which is what an engine keeps without an object. */
function placeOf(key: Buffer): number {
  const end = key.length;
  if (end < 8) return end;
  return (key.readInt32LE(end - 4) ^ Math.imul(key.readInt32LE(end - 8), 0x9e3779b1)) & 0x3fffffff;
}
