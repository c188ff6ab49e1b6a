// Few records that several control planes change: the newest of each counts, and a change is made only to the version that it was
// made of.
import { headers } from 'nats';
import { purge, store } from './jetstream.ts';
import { jsonObject } from './json.ts';
import type { Link } from './link.ts';
import type { KeptRecord, Records } from './types.ts';

export class NatsRecords implements Records {
  readonly #link: Link;
  readonly #stream: string;
  readonly #prefix: string;

  constructor(link: Link, stream: string, prefix: string) {
    this.#link = link;
    this.#stream = stream;
    this.#prefix = prefix;
  }

  async get(id: string): Promise<KeptRecord | null> {
    const stored = await this.#link.get(this.#stream, { last_by_subj: this.#subject(id) });
    const value = stored === null ? null : jsonObject(stored.data);
    return stored === null || value === null ? null : { id, value, version: stored.sequence };
  }

  async put(id: string, value: unknown, version: number): Promise<boolean> {
    const head = headers();
    head.set('Nats-Expected-Last-Subject-Sequence', String(version));
    return (await store(this.#link, this.#subject(id), JSON.stringify(value), head)) !== null;
  }

  async remove(id: string): Promise<void> {
    await purge(this.#link, this.#stream, { filter: this.#subject(id) });
  }

  async all(): Promise<KeptRecord[]> {
    const state = await this.#link.stream(this.#stream, this.#subject('*'));
    const ids = (state?.subjects ?? []).map((subject) => subject.slice(this.#prefix.length + 1));
    const found = await Promise.all(ids.map((id) => this.get(id)));
    return found.filter((record) => record !== null);
  }

  #subject(id: string): string {
    return `${this.#prefix}.${id}`;
  }
}
