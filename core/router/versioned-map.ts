// A table of which there are versions: one that was published never changes, and the next one shares with it whatever did not
// change, so a version costs what is different in it and not what it holds.

/** Each is copied when something in it changes: enough of them that it is small, and few enough that a small table is. */
const BUCKETS = 512;

type Bucket<Value> = Map<string, Value>;

export class VersionedMap<Value> {
  private readonly buckets: readonly (Bucket<Value> | null)[];

  constructor(buckets: readonly (Bucket<Value> | null)[] = []) {
    this.buckets = buckets;
  }

  get(key: string): Value | undefined {
    const { buckets } = this;
    if (buckets.length === 0) return undefined;
    return buckets[bucketOf(key)]?.get(key);
  }

  *values(): Iterable<Value> {
    for (const bucket of this.buckets) if (bucket !== null) yield* bucket.values();
  }

  /** What becomes the next version. */
  edit(): Draft<Value> {
    return new Draft(this.buckets);
  }
}

/** Not to be used once `done` was asked for. */
export class Draft<Value> {
  private readonly before: readonly (Bucket<Value> | null)[];
  private after: (Bucket<Value> | null)[] | null = null;

  constructor(before: readonly (Bucket<Value> | null)[]) {
    this.before = before;
  }

  get(key: string): Value | undefined {
    return (this.after ?? this.before)[bucketOf(key)]?.get(key);
  }

  set(key: string, value: Value): void {
    this.own(bucketOf(key)).set(key, value);
  }

  delete(key: string): void {
    if (this.get(key) !== undefined) this.own(bucketOf(key)).delete(key);
  }

  done(): VersionedMap<Value> {
    return new VersionedMap(this.after ?? this.before);
  }

  /** The bucket at this place, which no version has yet. */
  private own(place: number): Bucket<Value> {
    const { before } = this;
    this.after ??= before.length === 0 ? new Array<Bucket<Value> | null>(BUCKETS).fill(null) : [...before];
    const bucket = this.after[place];
    if (bucket !== null && bucket !== before[place]) return bucket;
    const copy = new Map(bucket);
    this.after[place] = copy;
    return copy;
  }
}

/** FNV-1a. */
function bucketOf(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i++) hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 16)) & (BUCKETS - 1);
}
