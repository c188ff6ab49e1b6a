// What users of proxies may say that they serve, for control planes: as it was set when each was issued. It lies in NATS beside the
// users, so every control plane knows it, also after its restart and after renewals that another one made.
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { jsonObject } from '../json.ts';
import type { Link } from '../link.ts';
import { everybody, REVOKED_PREFIX, subjectOf, USER_PREFIX, USER_STREAM } from '../subjects.ts';
import { BusUnavailableError, type ProxyIdentity, type UserServices } from '../types.ts';

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
  /** By whom the user speaks for, then by its key: of those with a user that may not say everything. */
  readonly #bound = new Map<string, Map<string, Bound>>();
  /** For whom a user is known, bound or not, or was looked for. */
  readonly #known = new Set<string>();
  readonly #sought = new Set<string>();
  /** Subjects heard since the read in progress began: newer than anything that it finds. */
  #heard = new Set<string>();
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
    link.nc.subscribe(`${REVOKED_PREFIX}.*`, { callback: (_, { subject }) => followed.#revoked(keyIn(subject)) });
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
   * several users for the same node may say what all of them may: who has the narrower one gets no more by another's.
   */
  of(identity: ProxyIdentity): readonly string[] | null | undefined {
    const who = subjectOf(USER_PREFIX, identity);
    if (!this.#known.has(who)) {
      this.#seek(who);
      return undefined;
    }
    const users = [...(this.#bound.get(who)?.values() ?? [])];
    const now = Date.now() / 1_000;
    const live = users.filter(({ services, expires }) => expires > now - (services === null ? 0 : CLOCKS_APART_S));
    // One of them speaks: when none lives by the clock here, that is wrong.
    const counting = live.length > 0 ? live : users;
    const bound = counting.map(({ services }) => services).filter((services) => services !== null);
    if (bound.length === 0) return null;
    return bound.reduce((all, each) => all.filter((service) => each.includes(service)));
  }

  #hear(subject: string, data: Uint8Array): void {
    if (this.#reading !== null || this.#sought.size > 0) this.#heard.add(subject);
    if (this.#learn(subject, data)) this.#onChange();
  }

  /** Whether it says something else than before. */
  #learn(subject: string, data: Uint8Array): boolean {
    const who = subject.slice(0, subject.lastIndexOf('.'));
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

  /** Those that have expired say nothing more. */
  #makeRoom(): void {
    if (this.#bound.size < MAX_BOUND) return;
    const now = Date.now() / 1_000;
    for (const [who, users] of this.#bound) {
      if ([...users.values()].every(({ expires }) => expires <= now - CLOCKS_APART_S)) this.#bound.delete(who);
    }
  }

  #seek(who: string): void {
    this.#sought.add(who);
    if (this.#sought.size > 1) return;
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
        if (this.#reading === null && this.#sought.size === 0) this.#heard = new Set();
        this.#onChange();
      } catch (error) {
        if (!(error instanceof BusUnavailableError) || this.#link.closed) throw error;
        await delay(retry);
        retry = Math.min(retry * 2, MAX_RETRY_MS);
      }
    }
  }

  #revoked(key: string): void {
    let changed = false;
    for (const users of this.#bound.values()) changed = users.delete(key) || changed;
    if (changed) this.#onChange();
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
      this.#heard = new Set();
      try {
        if (await this.#readStored(USERS)) this.#onChange();
        done = target;
      } catch (error) {
        if (!(error instanceof BusUnavailableError) || this.#link.closed) throw error;
        retry = Math.min(retry * 2, MAX_RETRY_MS);
        await delay(retry);
      }
    }
    this.#heard = new Set();
  }

  async #readStored(of: string): Promise<boolean> {
    const subjects = [...((await this.#link.stream(USER_STREAM, of))?.subjects ?? [])];
    let changed = false;
    const next = async (): Promise<void> => {
      for (let subject = subjects.pop(); subject !== undefined; subject = subjects.pop()) {
        if (this.#heard.has(subject)) continue;
        const message = await this.#link.get(USER_STREAM, { last_by_subj: subject });
        if (message === null || this.#heard.has(subject)) continue;
        if (servicesOf(jsonObject(message.data)) !== null && (await this.#isOut(keyIn(subject), message.sequence)))
          continue;
        changed = this.#learn(subject, message.data) || changed;
      }
    };
    await Promise.all(Array.from({ length: PARALLEL_READS }, next));
    return changed;
  }

  /** Whether the key was revoked since: a user that was issued for it again counts again. */
  async #isOut(key: string, sequence: number): Promise<boolean> {
    const revoked = await this.#link.get(USER_STREAM, { last_by_subj: `${REVOKED_PREFIX}.${key}` });
    return revoked !== null && revoked.sequence > sequence;
  }
}

function keyIn(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}
