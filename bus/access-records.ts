// What is kept of the API's tokens: the newest word on each name, signed by a control plane, followed by all of them. What a
// record says is the control plane's business. Proxies' account has no part in these subjects.
import { headers, type Msg, type MsgHdrs } from 'nats';
import type { AccessBackup, AccessListener, AccessRecord, AccessRecords, SignedAccess } from './access-types.ts';
import { purge, store } from './jetstream.ts';
import { jsonObject } from './json.ts';
import type { Link } from './link.ts';
import { type Seal, SIGNATURE_HEADER } from './log/commit-format.ts';
import type { StoredMessage } from './stored-message.ts';
import { ACCESS_HEARD, ACCESS_STREAM, ACCESS_SUBJECT, subjectToken, tokenId, USES_SUBJECT } from './subjects.ts';
import { BusUnavailableError } from './types.ts';

const MAX_RECORD_BYTES = 16 * 1024;
const RETRY_MS = 500;

export class NatsAccessRecords implements AccessRecords, AccessBackup {
  readonly #link: Link;
  readonly #seal: Seal;

  constructor(link: Link, seal: Seal) {
    this.#link = link;
    this.#seal = seal;
  }

  async get(name: string): Promise<AccessRecord | null> {
    const message = await this.#link.get(ACCESS_STREAM, { last_by_subj: `${ACCESS_SUBJECT}.${subjectToken(name)}` });
    return message && this.#read(message.subject, message.data, message.headers, message.sequence);
  }

  async put(name: string, body: Readonly<Record<string, unknown>>, after: number): Promise<boolean> {
    const payload = Buffer.from(JSON.stringify({ ...body, name }));
    if (payload.byteLength > MAX_RECORD_BYTES) throw new RangeError(`a record has at most ${MAX_RECORD_BYTES} bytes`);
    const head = headers();
    head.set('Nats-Expected-Last-Subject-Sequence', String(after));
    const signature = this.#seal.sign(payload);
    if (signature !== null) head.set(SIGNATURE_HEADER, signature);
    return (await store(this.#link, `${ACCESS_SUBJECT}.${subjectToken(name)}`, payload, head)) !== null;
  }

  async remove(name: string): Promise<void> {
    for (const subject of [ACCESS_SUBJECT, USES_SUBJECT]) {
      await purge(this.#link, ACCESS_STREAM, { filter: `${subject}.${subjectToken(name)}` });
    }
  }

  async signed(): Promise<SignedAccess[]> {
    const all: SignedAccess[] = [];
    await this.#eachStored(({ name }, message) => {
      const signature = message.headers?.get(SIGNATURE_HEADER) ?? '';
      all.push({ name, record: Buffer.from(message.data).toString(), signature });
    });
    return all;
  }

  async putBack({ name, record, signature }: SignedAccess): Promise<'restored' | 'there' | 'foreign'> {
    const payload = Buffer.from(record);
    const subject = `${ACCESS_SUBJECT}.${subjectToken(name)}`;
    const head = headers();
    head.set('Nats-Expected-Last-Subject-Sequence', '0');
    if (signature !== '') head.set(SIGNATURE_HEADER, signature);
    if (payload.byteLength > MAX_RECORD_BYTES || this.#read(subject, payload, head, 0) === null) return 'foreign';
    return (await store(this.#link, subject, payload, head)) === null ? 'there' : 'restored';
  }

  used(name: string, at: string): void {
    if (!this.#link.connected || this.#link.closed) return;
    this.#link.nc.publish(`${USES_SUBJECT}.${subjectToken(name)}`, JSON.stringify({ at }));
  }

  async follow(on: AccessListener): Promise<void> {
    const link = this.#link;
    /** Heard while a read is under way: newer than what it finds. */
    const readings = new Set<AccessRecord[]>();
    link.nc.subscribe(`${ACCESS_HEARD}.>`, {
      callback: (_, message) => {
        const record = this.#hear(message, on);
        if (record !== null) for (const heard of readings) heard.push(record);
      },
    });
    const read = async (): Promise<void> => {
      const heard: AccessRecord[] = [];
      readings.add(heard);
      try {
        const known = await this.#stored();
        on.all([...known, ...heard]);
      } finally {
        readings.delete(heard);
      }
      await this.#tellUses(on);
    };
    const again = (): void => {
      read().catch((error: unknown) => {
        if (!(error instanceof BusUnavailableError)) throw error;
        setTimeout(() => {
          if (link.connected) again();
        }, RETRY_MS).unref();
      });
    };
    await read();
    // The NATS that came back may know of others, or of none.
    link.onUp(again);
  }

  async #stored(): Promise<AccessRecord[]> {
    const known: AccessRecord[] = [];
    await this.#eachStored((record) => known.push(record));
    return known;
  }

  async #eachStored(take: (record: AccessRecord, message: StoredMessage) => void): Promise<void> {
    const stream = await this.#link.stream(ACCESS_STREAM, `${ACCESS_SUBJECT}.*`);
    if (stream === null) throw new BusUnavailableError(`NATS has no stream ${ACCESS_STREAM} yet`);
    for (const subject of stream.subjects) {
      const message = await this.#link.get(ACCESS_STREAM, { last_by_subj: subject });
      const record = message && this.#read(subject, message.data, message.headers, message.sequence);
      if (message !== null && record !== null) take(record, message);
    }
  }

  async #tellUses(on: AccessListener): Promise<void> {
    const stream = await this.#link.stream(ACCESS_STREAM, `${USES_SUBJECT}.*`);
    for (const subject of stream?.subjects ?? []) {
      const message = await this.#link.get(ACCESS_STREAM, { last_by_subj: subject });
      if (message !== null) tellUse(subject, message.data, on);
    }
  }

  /** What the stream has stored: who only tried to store is not heard. */
  #hear({ data, headers: head }: Msg, on: AccessListener): AccessRecord | null {
    const subject = head?.get('Nats-Subject') ?? '';
    if (subject.startsWith(`${USES_SUBJECT}.`)) {
      tellUse(subject, data, on);
      return null;
    }
    const record = this.#read(subject, data, head, Number(head?.get('Nats-Sequence')));
    if (record !== null) on.record(record);
    return record;
  }

  /** null: it is none, is not signed by a control plane, or is not what its subject says. */
  #read(subject: string, data: Uint8Array, head: MsgHdrs | undefined, sequence: number): AccessRecord | null {
    if (!this.#seal.holds(data, head)) return null;
    const body = jsonObject(data);
    const name = body?.name;
    if (body === null || typeof name !== 'string' || name !== nameIn(ACCESS_SUBJECT, subject)) return null;
    return { name, body, sequence };
  }
}

function tellUse(subject: string, data: Uint8Array, on: AccessListener): void {
  const name = nameIn(USES_SUBJECT, subject);
  const at = jsonObject(data)?.at;
  if (name !== null && typeof at === 'string') on.used(name, at);
}

function nameIn(prefix: string, subject: string): string | null {
  return subject.startsWith(`${prefix}.`) ? tokenId(subject.slice(prefix.length + 1)) : null;
}
