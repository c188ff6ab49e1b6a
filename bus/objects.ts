// Content-addressed bytes in a NATS Object Store bucket: laid out as every NATS tool reads and writes it, read by direct gets,
// because a proxy may not create consumers. What is read is checked against its digest.
import { createHash, randomBytes } from 'node:crypto';
import { headers } from 'nats';
import { attempts } from './attempts.ts';
import { digestOf, MAX_OBJECT_BYTES } from './digest.ts';
import { ensureStream, purge, store } from './jetstream.ts';
import { jsonObject } from './json.ts';
import type { Link } from './link.ts';
import { DamagedError } from './log/log-entry.ts';
import { BusUnavailableError, type ObjectStore, type StoredObject, TooLargeError } from './types.ts';

const CHUNK_BYTES = 256 * 1024;
const CHUNKS_AT_ONCE = 8;
/** Longer than it takes servers of a cluster to elect a leader. */
const PUT_MS = 15_000;

export class Objects implements ObjectStore {
  readonly #link: Link;
  readonly #bucket: string;
  readonly #stream: string;
  readonly #prefix: string;
  readonly #replicas: number;

  constructor(link: Link, bucket: string, replicas: number) {
    this.#link = link;
    this.#bucket = bucket;
    this.#stream = `OBJ_${bucket}`;
    this.#prefix = `$O.${bucket}`;
    this.#replicas = replicas;
  }

  /** Creates the bucket when there is none. */
  ensure(): Promise<void> {
    return ensureStream(this.#link, {
      name: this.#stream,
      subjects: [`${this.#prefix}.C.>`, `${this.#prefix}.M.>`],
      num_replicas: this.#replicas,
      discard: 'new',
      allow_rollup_hdrs: true,
    });
  }

  /** Throws TooLargeError above MAX_OBJECT_BYTES, BusUnavailableError. Bytes that are there already are not sent again. */
  async put(bytes: Uint8Array): Promise<string> {
    if (bytes.byteLength > MAX_OBJECT_BYTES) {
      throw new TooLargeError(`an object has at most ${MAX_OBJECT_BYTES} bytes, not ${bytes.byteLength}`);
    }
    const digest = digestOf(bytes);
    const begun: string[] = [];
    const standing = await attempts(this.#link, PUT_MS, () => this.#put(digest, bytes, begun));
    // Of two writers of the same bytes the first one's entry stands; all other chunks go, those of attempts that broke off, too.
    for (const nuid of begun) if (nuid !== standing) await this.#purgeChunks(nuid);
    return digest;
  }

  /** Of the entry that stands now, whoever wrote it. `begun` gets what is sent here. */
  async #put(digest: string, bytes: Uint8Array, begun: string[]): Promise<string> {
    const known = await this.#newest(digest);
    if (known !== null && known.entry.deleted !== true) return known.entry.nuid;
    const nuid = randomBytes(16).toString('hex');
    begun.push(nuid);
    const chunks = await this.#sendChunks(`${this.#prefix}.C.${nuid}`, bytes);
    const entry: ObjectEntry = {
      name: digest,
      options: { max_chunk_size: CHUNK_BYTES },
      bucket: this.#bucket,
      nuid,
      size: bytes.byteLength,
      chunks,
      mtime: new Date().toISOString(),
      digest: `SHA-256=${base64Url(createHash('sha256').update(bytes).digest())}`,
    };
    if (await this.#sendEntry(entry, known?.sequence ?? 0)) return nuid;
    // Somebody else's, or one's own that was sent twice.
    const stands = await this.#link.leading(this.#stream, { last_by_subj: this.#entrySubject(digest) });
    return (stands && (jsonObject(stands.data) as ObjectEntry | null)?.nuid) ?? '';
  }

  /** null when there is no such object. Throws BusUnavailableError, also for bytes that are not what the digest says. */
  async get(digest: string): Promise<Uint8Array | null> {
    // It may be swept and written anew between two reads.
    for (let attempt = 0; attempt < 3; attempt++) {
      const info = await this.#info(digest);
      if (info === null) return null;
      const bytes = await this.#chunks(info);
      if (bytes !== null && digestOf(bytes) === digest) return bytes;
    }
    throw new DamagedError(`the object ${digest} in the bucket ${this.#bucket} is damaged`);
  }

  async has(digest: string): Promise<boolean> {
    return (await this.#info(digest)) !== null;
  }

  async list(): Promise<StoredObject[]> {
    const entries = (await this.#entries()).map(({ entry }) => entry);
    return entries.map(({ name, size, mtime }) => ({ digest: name, size, time: mtime }));
  }

  /** Removes every object that `keep` does not hold and that is older than `graceMs`. Returns how many. */
  async sweep(keep: ReadonlySet<string>, graceMs: number): Promise<number> {
    const now = Date.now();
    let removed = 0;
    for (const { entry, sequence } of await this.#entries()) {
      if (keep.has(entry.name) || now - Date.parse(entry.mtime) < graceMs) continue;
      const gone = { ...entry, size: 0, chunks: 0, deleted: true, mtime: new Date().toISOString() };
      if (!(await this.#sendEntry(gone, sequence))) continue;
      await this.#purgeChunks(entry.nuid);
      removed++;
    }
    return removed;
  }

  async #entries(): Promise<Found[]> {
    const prefix = `${this.#prefix}.M.`;
    const state = await this.#link.stream(this.#stream, `${prefix}>`);
    const entries: Found[] = [];
    for (const subject of state?.subjects ?? []) {
      const found = await this.#entryAt(subject);
      if (found !== null && found.entry.deleted !== true) entries.push(found);
    }
    return entries;
  }

  async #info(digest: string): Promise<ObjectEntry | null> {
    const newest = await this.#newest(digest);
    return newest === null || newest.entry.deleted === true ? null : newest.entry;
  }

  #newest(digest: string): Promise<Found | null> {
    return this.#entryAt(this.#entrySubject(digest));
  }

  async #entryAt(subject: string): Promise<Found | null> {
    const message = await this.#link.get(this.#stream, { last_by_subj: subject });
    if (message === null) return null;
    const entry = jsonObject(message.data) as ObjectEntry | null;
    if (entry === null) throw new BusUnavailableError(`an entry of the bucket ${this.#bucket} is damaged (${subject})`);
    return { entry, sequence: message.sequence };
  }

  #entrySubject(digest: string): string {
    return `${this.#prefix}.M.${base64Url(digest)}`;
  }

  /** Whether it is the entry now; not when somebody wrote one after the sequence `after`. */
  async #sendEntry(entry: ObjectEntry, after: number): Promise<boolean> {
    const head = headers();
    head.set('Nats-Rollup', 'sub');
    head.set('Nats-Expected-Last-Subject-Sequence', String(after));
    return (await store(this.#link, this.#entrySubject(entry.name), JSON.stringify(entry), head)) !== null;
  }

  /** Some at a time: one connection's messages are stored in the order in which they were sent. */
  async #sendChunks(subject: string, bytes: Uint8Array): Promise<number> {
    let chunks = 0;
    for (let at = 0; at < bytes.byteLength; ) {
      const sending: Promise<number | null>[] = [];
      for (; at < bytes.byteLength && sending.length < CHUNKS_AT_ONCE; at += CHUNK_BYTES) {
        sending.push(store(this.#link, subject, bytes.subarray(at, at + CHUNK_BYTES)));
      }
      await Promise.all(sending);
      chunks += sending.length;
    }
    return chunks;
  }

  #purgeChunks(nuid: string): Promise<void> {
    return purge(this.#link, this.#stream, { filter: `${this.#prefix}.C.${nuid}` });
  }

  async #chunks(info: ObjectEntry): Promise<Uint8Array | null> {
    if (info.size > MAX_OBJECT_BYTES) throw new TooLargeError(`the object ${info.name} has ${info.size} bytes`);
    const parts: Uint8Array[] = [];
    let next = 1;
    for (let n = 0; n < info.chunks; n++) {
      const chunk = await this.#link.get(this.#stream, { seq: next, next_by_subj: `${this.#prefix}.C.${info.nuid}` });
      if (chunk === null) return null;
      parts.push(chunk.data);
      next = chunk.sequence + 1;
    }
    return Buffer.concat(parts);
  }
}

/** As every NATS tool writes and reads it. */
interface ObjectEntry {
  readonly name: string;
  readonly options: { readonly max_chunk_size: number };
  readonly bucket: string;
  readonly nuid: string;
  readonly size: number;
  readonly chunks: number;
  readonly mtime: string;
  readonly digest: string;
  readonly deleted?: boolean;
}

interface Found {
  readonly entry: ObjectEntry;
  readonly sequence: number;
}

/** Padded, as NATS writes it. */
function base64Url(bytes: Uint8Array | string): string {
  return Buffer.from(bytes).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
