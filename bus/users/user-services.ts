// What users of proxies may say that they serve, for control planes: as it was set when each was issued. It lies in NATS beside the
// users, so every control plane knows it, also after its restart and after renewals that another one made.
import { setTimeout as delay } from 'node:timers/promises';
import { jsonObject } from '../json.ts';
import type { Link } from '../link.ts';
import { everybody, REVOKED_PREFIX, subjectOf, USER_PREFIX, USER_STREAM } from '../subjects.ts';
import { BusUnavailableError, type ProxyIdentity, type UserServices } from '../types.ts';

interface Bound {
  readonly services: readonly string[];
  /** Seconds of the epoch. */
  readonly expires: number;
}

/** As many users as the stream keeps. */
const MAX_BOUND = 20_000;
const PARALLEL_READS = 32;
const MAX_RETRY_MS = 2_000;
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
  /** By whom the user speaks for, then by its key: users that may not say everything. */
  readonly #bound = new Map<string, Map<string, Bound>>();
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
   * null: anything. Who was given several users for the same node may say what all of them may: who has the narrower one gets no
   * more by another's.
   */
  of(identity: ProxyIdentity): readonly string[] | null {
    const users = this.#bound.get(subjectOf(USER_PREFIX, identity));
    if (users === undefined) return null;
    const now = Date.now() / 1_000;
    const live = [...users.values()].filter(({ expires }) => expires > now);
    if (live.length === 0) return null;
    return live.map(({ services }) => services).reduce((all, each) => all.filter((service) => each.includes(service)));
  }

  #hear(subject: string, data: Uint8Array): void {
    if (this.#reading !== null) this.#heard.add(subject);
    if (this.#learn(subject, data)) this.#onChange();
  }

  /** Whether it says something else than before. */
  #learn(subject: string, data: Uint8Array): boolean {
    const who = subject.slice(0, subject.lastIndexOf('.'));
    const key = keyIn(subject);
    const record = jsonObject(data);
    const services = servicesOf(record);
    const users = this.#bound.get(who);
    if (services === null) return users?.delete(key) === true;
    const { expires } = record as { expires?: unknown };
    const bound = { services, expires: typeof expires === 'number' ? expires : Number.POSITIVE_INFINITY };
    const before = users?.get(key)?.services;
    if (users !== undefined) users.set(key, bound);
    else {
      this.#makeRoom();
      this.#bound.set(who, new Map([[key, bound]]));
    }
    return before?.join(' ') !== services.join(' ');
  }

  /** Those that have expired say nothing more. */
  #makeRoom(): void {
    if (this.#bound.size < MAX_BOUND) return;
    const now = Date.now() / 1_000;
    for (const [who, users] of this.#bound) {
      if ([...users.values()].every(({ expires }) => expires <= now)) this.#bound.delete(who);
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
        if (await this.#readStored()) this.#onChange();
        done = target;
      } catch (error) {
        if (!(error instanceof BusUnavailableError) || this.#link.closed) throw error;
        retry = Math.min(retry * 2, MAX_RETRY_MS);
        await delay(retry);
      }
    }
    this.#heard = new Set();
  }

  async #readStored(): Promise<boolean> {
    const subjects = [...((await this.#link.stream(USER_STREAM, USERS))?.subjects ?? [])];
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
