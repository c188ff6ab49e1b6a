// Leases of proxies. A holder stores what it serves and renews that by signs of life; each reader expires by its own clock, and only
// while the bus evidently delivers: an interruption of the connection, of NATS or of everybody's renewals takes nobody out.

import { followBoard } from './board.ts';
import { jsonObject } from './json.ts';
import type { LifeSigns } from './life-signs.ts';
import type { Link } from './link.ts';
import { LEASE_PREFIX, LEASE_STREAM, ownIdentity, PULSE_SUBJECT, subjectOf } from './subjects.ts';
import {
  BusUnavailableError,
  type Lease,
  type LeaseBoard,
  type ProxyIdentity,
  type Subscription,
  TooLargeError,
} from './types.ts';

/** Time as a reader of leases sees it; tests bring their own. */
export interface Clock {
  /** Monotonic ms. */
  now(): number;
  /** Calls back every `ms` until the returned function is called. */
  every(ms: number, callback: () => void): () => void;
}

export const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  every(ms, callback) {
    const timer = setInterval(callback, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};

export const MIN_TTL_MS = 300;
/** Who says more is taken out after this time of silence all the same. */
const MAX_TTL_MS = 300_000;
const MAX_LEASE_BYTES = 128 * 1024;
const MAX_LEASES = 20_000;
/** Every so many renewals the lease is stored anew, so that what is stored of those that are gone is known to be old. */
const RENEWALS_A_STORE = 12;
/** How many leases may be looked up at a time, and for how long whoever lives may have none before. */
const MAX_LOOKUPS = 32;
const STRANGER_MS = 1_000;
const PULSE_MS = 1_000;
const TICK_MS = 100;
/** Others hear of it by the lease's end, if not by this. */
const WITHDRAW_MS = 500;

interface Entry {
  readonly lease: Lease;
  /** As it came, so that a renewal without news costs no parsing. */
  readonly data: Uint8Array;
  seen: number;
}

export class NatsLeaseBoard implements LeaseBoard {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #signs: LifeSigns;
  readonly #identity: ProxyIdentity | undefined;

  constructor(link: Link, clock: Clock, signs: LifeSigns, identity?: ProxyIdentity) {
    this.#link = link;
    this.#signs = signs;
    this.#identity = identity;
    this.#clock = clock;
  }

  /** A TTL above MAX_TTL_MS counts as that. Throws RangeError for one below MIN_TTL_MS or an id that is none, TooLargeError. */
  async hold(first: Lease): Promise<{ update(lease: Lease): void; withdraw(): Promise<void> }> {
    const subject = subjectOf(LEASE_PREFIX, ownIdentity(this.#identity, first.proxy));
    let lease = first;
    let data = encode(lease);
    let held = true;
    // Those that start together do not store together.
    let renewals = Math.floor(Math.random() * RENEWALS_A_STORE);
    const publish = () => {
      if (held && this.#link.connected && !this.#link.closed) this.#link.nc.publish(subject, data);
    };
    const renew = () => {
      if (++renewals % RENEWALS_A_STORE === 0) publish();
      else if (held) this.#signs.show();
    };
    publish();
    this.#signs.show();
    await this.#link.flush().catch((error: unknown) => {
      // It is on its way, and said again after a return of the connection.
      if (!(error instanceof BusUnavailableError)) throw error;
    });
    let stop = this.#clock.every(lifeOf(lease) / 3, renew);
    const forget = this.#link.onUp(publish);
    return {
      update: (next) => {
        if (next.proxy !== first.proxy)
          throw new RangeError(`the lease of ${first.proxy} cannot become ${next.proxy}'s`);
        data = encode(next);
        if (next.ttlMs !== lease.ttlMs) {
          stop();
          stop = this.#clock.every(lifeOf(next) / 3, renew);
        }
        lease = next;
        publish();
      },
      withdraw: async () => {
        if (!held) return;
        held = false;
        stop();
        forget();
        if (!this.#link.connected || this.#link.closed) return;
        this.#link.nc.publish(subject, JSON.stringify({ withdrawn: true, startedAt: lease.startedAt }));
        await this.#link.flush(WITHDRAW_MS);
      },
    };
  }

  async follow(onChange: (leases: ReadonlyMap<string, Lease>) => void): Promise<Subscription> {
    const set = new LeaseSet(this.#clock, () => this.#link.connected, onChange);
    const stops: (() => void)[] = [];
    const pulses = this.#link.nc.subscribe(PULSE_SUBJECT, { callback: () => set.alive() });
    stops.push(() => {
      if (!pulses.isClosed()) pulses.unsubscribe();
    });
    const pulse = () => {
      if (this.#link.connected && !this.#link.closed) this.#link.nc.publish(PULSE_SUBJECT);
    };
    stops.push(this.#clock.every(PULSE_MS, pulse));
    stops.push(this.#clock.every(TICK_MS, () => set.expire()));
    const strangers = new Strangers(this.#link, this.#clock, set);
    stops.push(
      this.#signs.hear((from) => {
        if (!set.renew(from)) strangers.heard(from);
      }),
    );
    const stop = () => {
      for (const each of stops) each();
      set.close();
    };
    try {
      const board = await followBoard(this.#link, LEASE_STREAM, LEASE_PREFIX, set);
      return {
        close: async () => {
          stop();
          await board.close();
        },
      };
    } catch (error) {
      stop();
      throw error;
    }
  }
}

/** Who lives and has no lease here: one that was taken for gone and comes back, and whose lease lies where it was stored. */
class Strangers {
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #set: LeaseSet;
  /** When each was first heard. One that has just started says what it runs before what it serves. */
  readonly #since = new Map<string, number>();
  #lookups = 0;

  constructor(link: Link, clock: Clock, set: LeaseSet) {
    this.#link = link;
    this.#clock = clock;
    this.#set = set;
  }

  heard(from: ProxyIdentity): void {
    const now = this.#clock.now();
    const since = this.#since.get(from.node);
    if (since === undefined) {
      if (this.#since.size >= MAX_LEASES) this.#since.clear();
      this.#since.set(from.node, now);
    } else if (now - since > STRANGER_MS && this.#lookups < MAX_LOOKUPS) {
      this.#since.delete(from.node);
      void this.#lookUp(from);
    }
  }

  async #lookUp(from: ProxyIdentity): Promise<void> {
    this.#lookups++;
    try {
      const stored = await this.#link.get(LEASE_STREAM, { last_by_subj: subjectOf(LEASE_PREFIX, from) });
      if (stored !== null) this.#set.value(from, stored.data, null);
    } catch (error) {
      // It is heard again.
      if (!(error instanceof BusUnavailableError)) throw error;
    } finally {
      this.#lookups--;
    }
  }
}

/** The set as one reader sees it. */
export class LeaseSet {
  readonly #clock: Clock;
  readonly #connected: () => boolean;
  readonly #onChange: (leases: ReadonlyMap<string, Lease>) => void;
  readonly #entries = new Map<string, Entry>();
  /** When the bus last delivered anything, and since when it does so without a pause. */
  #heard = Number.NEGATIVE_INFINITY;
  #aliveSince = Number.NEGATIVE_INFINITY;
  /** A silence longer than this says nothing about a single proxy: two renewals of the most frequent renewer. */
  #gap = 2 * PULSE_MS;
  #complete = false;
  #closed = false;
  #told: NodeJS.Immediate | null = null;

  constructor(clock: Clock, connected: () => boolean, onChange: (leases: ReadonlyMap<string, Lease>) => void) {
    this.#clock = clock;
    this.#connected = connected;
    this.#onChange = onChange;
  }

  /** The bus delivered something. */
  alive(): void {
    const now = this.#clock.now();
    if (now - this.#heard > this.#gap) this.#aliveSince = now;
    this.#heard = now;
  }

  /** A sign of life. Whether there is a lease that it renews. */
  renew(from: ProxyIdentity): boolean {
    this.alive();
    const known = this.#entries.get(from.node);
    if (known === undefined) return !this.#complete;
    if (isSame(known.lease.from!, from)) known.seen = this.#clock.now();
    return true;
  }

  /** `ageMs`: since it was stored; null for what was heard now. */
  value(from: ProxyIdentity, data: Uint8Array, ageMs: number | null): void {
    if (ageMs === null) this.alive();
    const { node: id } = from;
    const known = this.#entries.get(id);
    if (known !== undefined && isSame(known.lease.from!, from) && Buffer.compare(known.data, data) === 0) {
      if (ageMs === null) known.seen = this.#clock.now();
      return;
    }
    const lease = decode(data);
    if (lease === null || ('proxy' in lease && lease.proxy !== id)) return;
    // Two that call themselves alike: who was first stays, for as long as it lives.
    if (known !== undefined && !isSame(known.lease.from!, from)) return;
    if (!('proxy' in lease)) {
      // A successor with the same id that has already registered stays.
      if (known === undefined || known.lease.startedAt !== lease.startedAt) return;
      this.#entries.delete(id);
    } else {
      const renewalMs = lease.ttlMs / 3;
      if (ageMs !== null && ageMs > renewalMs * RENEWALS_A_STORE + lease.ttlMs) return;
      if (known === undefined && this.#entries.size >= MAX_LEASES) return;
      // Of one that is only read it is not known whether it lives: it has to say so a little sooner.
      const seen = this.#clock.now() - (ageMs === null ? 0 : renewalMs);
      this.#entries.set(id, { lease: { ...lease, from }, data: Uint8Array.from(data), seen });
    }
    this.#tell();
  }

  complete(): void {
    if (this.#complete) return;
    this.#complete = true;
    this.#onChange(this.#current());
  }

  /** Takes out who was silent for its TTL, all of it in a time in which the bus delivered. */
  expire(): void {
    const now = this.#clock.now();
    if (!this.#connected()) {
      this.#heard = Number.NEGATIVE_INFINITY;
      return;
    }
    if (now - this.#heard > this.#gap) return;
    let expired = false;
    for (const [id, { lease, seen }] of this.#entries) {
      if (now - Math.max(seen, this.#aliveSince) <= lease.ttlMs) continue;
      this.#entries.delete(id);
      expired = true;
    }
    if (expired) this.#tell();
  }

  close(): void {
    this.#closed = true;
    if (this.#told !== null) clearImmediate(this.#told);
  }

  #measureGap(): void {
    let least = 3 * PULSE_MS;
    for (const { lease } of this.#entries.values()) if (lease.ttlMs < least) least = lease.ttlMs;
    this.#gap = (least * 2) / 3;
  }

  /** Once for everything that one turn of the event loop brought. */
  #tell(): void {
    this.#measureGap();
    if (!this.#complete || this.#told !== null || this.#closed) return;
    this.#told = setImmediate(() => {
      this.#told = null;
      if (!this.#closed) this.#onChange(this.#current());
    });
  }

  #current(): ReadonlyMap<string, Lease> {
    return new Map([...this.#entries].map(([id, { lease }]) => [id, lease]));
  }
}

function isSame(a: ProxyIdentity, b: ProxyIdentity): boolean {
  return a.namespace === b.namespace && a.serviceAccount === b.serviceAccount && a.node === b.node;
}

function lifeOf({ ttlMs }: Pick<Lease, 'ttlMs'>): number {
  return Math.min(ttlMs, MAX_TTL_MS);
}

function encode(lease: Lease): Uint8Array {
  if (!(lease.ttlMs >= MIN_TTL_MS)) throw new RangeError(`a lease lasts at least ${MIN_TTL_MS} ms, not ${lease.ttlMs}`);
  const data = Buffer.from(JSON.stringify(lease));
  if (data.byteLength > MAX_LEASE_BYTES) throw new TooLargeError(`a lease has at most ${MAX_LEASE_BYTES} bytes`);
  return data;
}

function decode(data: Uint8Array): Lease | { readonly withdrawn: true; readonly startedAt: string } | null {
  const value = jsonObject(data);
  if (value === null) return null;
  const { proxy, ttlMs, endpoints, admin, version, startedAt, node, withdrawn } = value;
  if (typeof startedAt !== 'string') return null;
  if (withdrawn === true) return { withdrawn, startedAt };
  const whole =
    typeof proxy === 'string' &&
    typeof ttlMs === 'number' &&
    ttlMs >= MIN_TTL_MS &&
    Array.isArray(endpoints) &&
    typeof admin === 'string' &&
    typeof version === 'string';
  return whole ? { proxy, ttlMs: lifeOf({ ttlMs }), node, endpoints, admin, version, startedAt } : null;
}
