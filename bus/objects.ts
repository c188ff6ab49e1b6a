// Content-addressed bytes in a NATS Object Store bucket. Written by nats's own client (any NATS tool reads them), read by
// direct gets, because a proxy may not create consumers. What is read is checked against its digest.
import { createHash } from 'node:crypto';
import type { JetStreamClient } from 'nats';
import type { Link } from './link.ts';
import { BusUnavailableError, type ObjectStore, type StoredObject, TooLargeError } from './types.ts';

export const MAX_OBJECT_BYTES = 64 * 1024 * 1024;
const CHUNK_BYTES = 256 * 1024;

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export class Objects implements ObjectStore {
  readonly #link: Link;
  readonly #bucket: string;
  readonly #replicas: number;

  constructor(link: Link, bucket: string, replicas: number) {
    this.#link = link;
    this.#bucket = bucket;
    this.#replicas = replicas;
  }

  /** Creates the bucket when there is none. */
  async ensure(): Promise<void> {
    await this.#open();
  }

  /** Throws TooLargeError above MAX_OBJECT_BYTES, BusUnavailableError. Bytes that are there already are not sent again. */
  async put(bytes: Uint8Array): Promise<string> {
    if (bytes.byteLength > MAX_OBJECT_BYTES) {
      throw new TooLargeError(`an object has at most ${MAX_OBJECT_BYTES} bytes, not ${bytes.byteLength}`);
    }
    const digest = digestOf(bytes);
    if ((await this.#info(digest)) !== null) return digest;
    const store = await this.#open();
    await reach(store.putBlob({ name: digest, options: { max_chunk_size: CHUNK_BYTES } }, bytes));
    return digest;
  }

  /** null when there is no such object. Throws BusUnavailableError, also for bytes that are not what the digest says. */
  async get(digest: string): Promise<Uint8Array | null> {
    // A second writer of the same bytes removes the first one's chunks: read again from the new entry then.
    for (let attempt = 0; attempt < 3; attempt++) {
      const info = await this.#info(digest);
      if (info === null) return null;
      const bytes = await this.#chunks(info);
      if (bytes !== null && digestOf(bytes) === digest) return bytes;
    }
    throw new BusUnavailableError(`the object ${digest} in the bucket ${this.#bucket} is damaged`);
  }

  async has(digest: string): Promise<boolean> {
    return (await this.#info(digest)) !== null;
  }

  async list(): Promise<StoredObject[]> {
    const entries = await reach((await this.#open()).list());
    return entries.map(({ name, size, mtime }) => ({ digest: name, size, time: mtime }));
  }

  /** Removes every object that `keep` does not hold and that is older than `graceMs`. Returns how many. */
  async sweep(keep: ReadonlySet<string>, graceMs: number): Promise<number> {
    const store = await this.#open();
    const now = Date.now();
    let removed = 0;
    for (const entry of await reach(store.list())) {
      if (keep.has(entry.name) || now - Date.parse(entry.mtime) < graceMs) continue;
      await reach(store.delete(entry.name));
      removed++;
    }
    return removed;
  }

  async #open(): ReturnType<JetStreamClient['views']['os']> {
    return reach(this.#link.nc.jetstream().views.os(this.#bucket, { replicas: this.#replicas }));
  }

  async #info(digest: string): Promise<ObjectEntry | null> {
    const subject = `$O.${this.#bucket}.M.${base64Url(digest)}`;
    const message = await this.#link.get(`OBJ_${this.#bucket}`, { last_by_subj: subject });
    if (message === null) return null;
    const entry = JSON.parse(Buffer.from(message.data).toString()) as ObjectEntry;
    return entry.deleted === true ? null : entry;
  }

  async #chunks(info: ObjectEntry): Promise<Uint8Array | null> {
    if (info.size > MAX_OBJECT_BYTES) throw new TooLargeError(`the object ${info.name} has ${info.size} bytes`);
    const parts: Uint8Array[] = [];
    let next = 1;
    for (let n = 0; n < info.chunks; n++) {
      const chunk = await this.#link.get(`OBJ_${this.#bucket}`, {
        seq: next,
        next_by_subj: `$O.${this.#bucket}.C.${info.nuid}`,
      });
      if (chunk === null) return null;
      parts.push(chunk.data);
      next = chunk.sequence + 1;
    }
    return Buffer.concat(parts);
  }
}

interface ObjectEntry {
  readonly name: string;
  readonly nuid: string;
  readonly size: number;
  readonly chunks: number;
  readonly deleted?: boolean;
}

/** nats.js names objects in padded base64url. */
function base64Url(text: string): string {
  return Buffer.from(text).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}

async function reach<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw new BusUnavailableError(`NATS Object Store: ${error instanceof Error ? error.message : String(error)}`);
  }
}
