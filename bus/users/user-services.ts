// What users of proxies may say that they serve, for control planes: as it was set when each was issued. It lies in NATS beside the
// users, so every control plane knows it, also after its restart and after renewals that another one made.
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { jsonObject } from '../json.ts';
import type { Link } from '../link.ts';
import type { StoredMessage } from '../stored-message.ts';
import { everybody, REVOKED_PREFIX, subjectOf, USER_PREFIX, USER_STREAM } from '../subjects.ts';
import { BusUnavailableError, type ProxyIdentity, type UserServices } from '../types.ts';

type Heard = Map<string, Uint8Array>;

interface Bound {
  /** null: anything. */
  readonly services: readonly string[] | null;
  /** Seconds of the epoch. */
  readonly expires: number;
}

/** As many users as the stream keeps. */
const MAX_BOUND = 20_000;
const MAX_KNOWN = 2 * MAX_BOUND;
const PARALLEL_READS = 32;
const NOTHING = new Uint8Array();
const MAX_RETRY_MS = 2_000;
/** A user that has expired by the clock here may live by that of NATS, or of who issued it. */
const CLOCKS_APART_S = 3_600;
/** `weft.user.NAMESPACE.SERVICE-ACCOUNT.NODE.KEY` */
const USERS = `${everybody(USER_PREFIX)}.*`;

/** null: anything. Of a record that says something else than we write, nothing. */
export function servicesOf(record: Readonly<Record<string, unknown>> | null): readonly string[] | null {
  const services = record?.services;
  if (services === undefined) return null;
  return Array.isArray(services) && services.every((each) => typeof each === 'string') ? services : [];
}

export class NatsUserServices implements UserServices {
  readonly #link: Link;
  readonly #onChange: () => void;
  /** By whom the user speaks for, then by its key: of those with a user that may not say everything. None: they were revoked. */
  readonly #bound = new Map<string, Map<string, Bound>>();
  /** For whom a user is known, bound or not, or was looked for. */
  readonly #known = new Set<string>();
  readonly #sought = new Set<string>();
  #finding = false;
  /** Of each read in progress what was heard since it began, by subject, the newest last: newer than anything that it finds. */
  readonly #heard = new Set<Heard>();
  #wanted = 0;
  #reading: Promise<void> | null = null;

  private constructor(link: Link, onChange: () => void) {
    this.#link = link;
    this.#onChange = onChange;
  }

  /** Resolves when it knows all that is stored. Ends with the link. Throws BusUnavailableError when that is closed before. */
  static async follow(link: Link, onChange: () => void): Promise<NatsUserServices> {
    const followed = new NatsUserServices(link, onChange);
    link.nc.subscribe(USERS, { callback: (_, { subject, data }) => followed.#hear(subject, data) });
    link.nc.subscribe(`${REVOKED_PREFIX}.*`, { callback: (_, { subject }) => followed.#revoked(subject) });
    await followed.#read();
    link.onUp(() => {
      followed.#read().catch((error: unknown) => {
        if (!link.closed) throw error;
      });
    });
    return followed;
  }

  /**
   * null: anything. undefined: no user of it is known yet, since one may be heard after what it says; it is looked for. Who was given
   * several users for the same node may say what all of them may: who has the narrower one gets no more by another's. Nor by being
   * put out: that says nothing until it is let in anew.
   */
  of(identity: ProxyIdentity): readonly string[] | null | undefined {
    const who = subjectOf(USER_PREFIX, identity);
    if (!this.#known.has(who)) {
      this.#seek(who);
      return undefined;
    }
    const bounds = this.#bound.get(who);
    if (bounds === undefined) return null;
    const users = [...bounds.values()];
    if (users.length === 0) return [];
    const now = Date.now() / 1_000;
    const live = users.filter(({ services, expires }) => expires > now - (services === null ? 0 : CLOCKS_APART_S));
    // One of them speaks: when none lives by the clock here, that is wrong.
    const counting = live.length > 0 ? live : users;
    const bound = counting.map(({ services }) => services).filter((services) => services !== null);
    if (bound.length === 0) return null;
    return bound.reduce((all, each) => all.filter((service) => each.includes(service)));
  }

  #hear(subject: string, data: Uint8Array): void {
    this.#remember(subject, data);
    if (this.#learn(subject, data)) this.#onChange();
  }

  /** Whether it says something else than before. */
  #learn(subject: string, data: Uint8Array): boolean {
    const who = whoIn(subject);
    const key = keyIn(subject);
    const record = jsonObject(data);
    const services = servicesOf(record);
    this.#knows(who);
    const users = this.#bound.get(who);
    // For anything, where nobody is bound.
    if (services === null && users === undefined) return false;
    const { expires } = record as { expires?: unknown };
    const bound = { services, expires: typeof expires === 'number' ? expires : Number.POSITIVE_INFINITY };
    const before = users?.get(key);
    if (users !== undefined) users.set(key, bound);
    else {
      this.#makeRoom();
      this.#bound.set(who, new Map([[key, bound]]));
    }
    if (before === undefined) return true;
    return before.services?.join(' ') !== services?.join(' ');
  }

  #knows(who: string): void {
    // Those that are renewed stay.
    this.#known.delete(who);
    if (this.#known.size >= MAX_KNOWN) {
      const [oldest] = this.#known;
      this.#known.delete(oldest);
    }
    this.#known.add(who);
  }

  /** Those that have expired say nothing more. Who speaks all the same is looked for again. */
  #makeRoom(): void {
    if (this.#bound.size < MAX_BOUND) return;
    const now = Date.now() / 1_000;
    for (const [who, users] of this.#bound) {
      if (![...users.values()].every(({ expires }) => expires <= now - CLOCKS_APART_S)) continue;
      this.#bound.delete(who);
      this.#known.delete(who);
    }
  }

  #seek(who: string): void {
    this.#sought.add(who);
    if (this.#finding) return;
    this.#finding = true;
    this.#find().catch((error: unknown) => {
      if (!this.#link.closed) throw error;
    });
  }

  /** Few by themselves; many with everybody's. */
  async #find(): Promise<void> {
    for (let retry = 50; this.#sought.size > 0; ) {
      await turn();
      const those = [...this.#sought];
      try {
        if (those.length > PARALLEL_READS) await this.#readStored(USERS);
        else await Promise.all(those.map((who) => this.#readStored(`${who}.*`)));
        for (const who of those) {
          this.#knows(who);
          this.#sought.delete(who);
        }
        this.#onChange();
      } catch (error) {
        if (!(error instanceof BusUnavailableError) || this.#link.closed) throw error;
        await delay(retry);
        retry = Math.min(retry * 2, MAX_RETRY_MS);
      }
    }
    this.#finding = false;
  }

  /** Who is revoked loses all users at once, and is told of key by key: what the others say counts no more either. */
  #revoked(subject: string): void {
    this.#remember(subject, NOTHING);
    const key = keyIn(subject);
    let changed = false;
    for (const users of this.#bound.values()) {
      if (!users.has(key)) continue;
      users.clear();
      changed = true;
    }
    if (changed) this.#onChange();
  }

  #remember(subject: string, data: Uint8Array): void {
    for (const heard of this.#heard) {
      heard.delete(subject);
      heard.set(subject, data);
    }
  }

  /** Again after every return of NATS, which may have told of users meanwhile. */
  #read(): Promise<void> {
    this.#wanted++;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #readAll(): Promise<void> {
    for (let done = 0, retry = 50; done !== this.#wanted; ) {
      const target = this.#wanted;
      try {
        if (await this.#readStored(USERS)) this.#onChange();
        done = target;
      } catch (error) {
        if (!(error instanceof BusUnavailableError) || this.#link.closed) throw error;
        retry = Math.min(retry * 2, MAX_RETRY_MS);
        await delay(retry);
      }
    }
  }

  async #readStored(of: string): Promise<boolean> {
    const heard: Heard = new Map();
    this.#heard.add(heard);
    try {
      const found = new Map<string, StoredMessage[]>();
      await this.#each((await this.#link.stream(USER_STREAM, of))?.subjects ?? [], async (subject) => {
        const message = heard.has(subject) ? null : await this.#link.get(USER_STREAM, { last_by_subj: subject });
        if (message === null) return;
        const others = found.get(whoIn(subject));
        if (others === undefined) found.set(whoIn(subject), [message]);
        else others.push(message);
      });
      let changed = false;
      await this.#each(found.keys(), async (who) => {
        changed = (await this.#readOf(who, found.get(who)!, heard)) || changed;
      });
      return changed;
    } finally {
      this.#heard.delete(heard);
    }
  }

  /** Of one, all that is stored: which of it counts depends on the others. */
  async #readOf(who: string, messages: readonly StoredMessage[], heard: Heard): Promise<boolean> {
    const isBound = this.#bound.has(who) || messages.some(({ data }) => servicesOf(jsonObject(data)) !== null);
    // A user that was issued for a key after it was revoked counts again, and so does one for another key.
    let out = 0;
    await this.#each(isBound ? messages : [], async ({ subject }) => {
      const revoked = await this.#revokedAt(keyIn(subject), heard);
      out = Math.max(out, revoked);
    });
    const old = messages.filter(({ subject }) => !heard.has(subject));
    let changed = false;
    if (messages.some(({ sequence }) => sequence < out)) {
      if (!this.#bound.has(who)) {
        this.#knows(who);
        this.#makeRoom();
        this.#bound.set(who, new Map());
        changed = true;
      }
      const users = this.#bound.get(who)!;
      for (const { subject, sequence } of old) if (sequence < out) changed = users.delete(keyIn(subject)) || changed;
    }
    for (const { subject, sequence, data } of old) {
      if (sequence >= out) changed = this.#learn(subject, data) || changed;
    }
    // What was heard of somebody who was not bound then was passed over.
    for (const [subject, data] of this.#bound.has(who) ? heard : []) {
      if (whoIn(subject) === who) changed = this.#learn(subject, data) || changed;
      else if (whoIn(subject) === REVOKED_PREFIX && this.#bound.get(who)!.has(keyIn(subject))) {
        this.#bound.get(who)!.clear();
        changed = true;
      }
    }
    return changed;
  }

  /** A number in the stream; 0: it was not. */
  async #revokedAt(key: string, heard: Heard): Promise<number> {
    if (heard.has(`${REVOKED_PREFIX}.${key}`)) return Number.POSITIVE_INFINITY;
    return (await this.#link.get(USER_STREAM, { last_by_subj: `${REVOKED_PREFIX}.${key}` }))?.sequence ?? 0;
  }

  async #each<T>(all: Iterable<T>, does: (one: T) => Promise<void>): Promise<void> {
    const left = [...all];
    const next = async (): Promise<void> => {
      for (let one = left.pop(); one !== undefined; one = left.pop()) await does(one);
    };
    await Promise.all(Array.from({ length: PARALLEL_READS }, next));
  }
}

function whoIn(subject: string): string {
  return subject.slice(0, subject.lastIndexOf('.'));
}

function keyIn(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}
