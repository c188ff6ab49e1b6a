// What was found out about a token, by its bytes, for as long as that is asked for again. Two generations: what is not
// asked for while one fills up is forgotten with the next. Bounded by entries and by bytes of keys.

const MAX_ENTRIES = 1024;
const MAX_BYTES = 1 << 20;

export class TokenCache<Entry> {
  private young = new Map<string, Entry>();
  private old = new Map<string, Entry>();
  private bytes = 0;

  get(key: string): Entry | undefined {
    const entry = this.young.get(key);
    if (entry !== undefined) return entry;
    const older = this.old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, entry: Entry): void {
    if (this.young.size >= MAX_ENTRIES || this.bytes + key.length > MAX_BYTES) {
      this.old = this.young;
      this.young = new Map();
      this.bytes = 0;
    }
    this.young.set(key, entry);
    this.bytes += key.length;
  }

  delete(key: string): void {
    this.young.delete(key);
    this.old.delete(key);
  }

  /** At most twice what one generation holds. */
  get size(): number {
    return this.young.size + this.old.size;
  }
}
