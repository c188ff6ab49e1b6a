// Who runs which revision. A rollout is measured by the control plane's clock alone: from the publish of a commit to the
// arrival of each answer. Expected are the proxies that had a live lease when the commit was made and still have one; who
// joined later is not waited for and not measured, but counts once it has answered.
import type { Bus, Lease, LeaseBoard, ProxyIdentity, ProxyStatus, Subscription } from '../bus/types.ts';

export interface RolloutReport {
  readonly revision: number;
  readonly expected: number;
  readonly acked: number;
  readonly nacked: { readonly proxy: string; readonly problems: unknown[] }[];
  /** Expected, and silent so far. */
  readonly missing: string[];
  /** Were expected, and left the mesh before they answered. */
  readonly gone: string[];
  /** null when nobody acked, or when this control plane did not see the commit being made. */
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
  readonly maxMs: number | null;
  readonly done: boolean;
}

export type ProxyState = 'SYNCED' | 'STALE' | 'NACK' | 'NOT SENT';

export interface ProxyReport {
  readonly id: string;
  readonly node: unknown;
  /** What it answered last; 0 = nothing yet. */
  readonly revision: number;
  readonly state: ProxyState;
  readonly admin: string;
  readonly version: string;
  readonly startedAt: string;
  readonly endpoints: unknown[];
  readonly shards: number;
  readonly problems: unknown[];
  /** When its last answer was given, by its own clock. */
  readonly lastAck: string | null;
  /** What the proxy needed for it. */
  readonly ms: number | null;
}

/** Of a long list. */
export interface ProxiesAsked {
  readonly limit?: number;
  /** Those behind this id. */
  readonly after?: string;
  /** Those whose id, or name within it, begins so. */
  readonly name?: string;
  /** Those of whom it is true. */
  only?(lease: Lease): boolean;
}

interface Rollout {
  readonly expected: ReadonlySet<string>;
  readonly publishedAt: number;
  readonly acks: Map<string, number>;
  readonly nacks: Map<string, unknown[]>;
  /** Expected, and has not answered. */
  readonly silent: Set<string>;
}

interface Waiter {
  readonly revision: number;
  end(): void;
}

interface Answer {
  readonly status: ProxyStatus;
  readonly at: number;
}

const MAX_ROLLOUTS = 200;
/** Of proxies, over all rollouts: of a large mesh fewer are known. */
const MAX_EXPECTED = 200_000;
const MAX_WAITERS = 1_000;
/** How long a start waits for what proxies say that they run. */
const ANSWERS_MS = 500;
/** As many as the bus keeps. The longest silent go first. */
const MAX_ANSWERS = 20_000;

export class Rollouts {
  #leases: ReadonlyMap<string, Lease> = new Map();
  /** By who gave them. */
  readonly #answers = new Map<string, Answer>();
  readonly #rollouts = new Map<number, Rollout>();
  readonly #waiters = new Set<Waiter>();
  /** The ids of those who live, for as long as they are the same: one set for many rollouts. */
  #living: ReadonlySet<string> | null = null;
  readonly #now: () => number;
  #newest = 0;
  #subscriptions: Subscription[] = [];
  #closed = false;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Of the proxies that live now, by id. */
  get leases(): ReadonlyMap<string, Lease> {
    return this.#leases;
  }

  /** Resolves when the live proxies are known, and their last answers as far as they give them soon. */
  async follow(
    bus: Pick<Bus, 'statuses'> & { readonly leases: Pick<LeaseBoard, 'follow'> },
    onLeases: (leases: ReadonlyMap<string, Lease>) => void = () => {},
  ): Promise<void> {
    this.#subscriptions = await Promise.all([
      bus.statuses.follow((status) => this.answered(status)),
      bus.leases.follow((leases) => {
        this.lived(leases);
        onLeases(leases);
      }),
    ]);
    const silent = new Set([...this.#leases.keys()].filter((id) => this.#answerOf(id) === undefined));
    // Whatever they answer counts.
    this.#begin(0, silent, Number.NaN);
    await this.#until(0, ANSWERS_MS);
    this.#rollouts.delete(0);
  }

  /** Called before a commit is published; the result is called with its revision when it stands. */
  publish(): (revision: number) => void {
    const publishedAt = this.#now();
    const expected = this.#expected();
    return (revision) => this.#begin(revision, expected, publishedAt);
  }

  /** A revision arrived, whoever made it. */
  arrived(revision: number): void {
    if (revision < this.#newest) {
      // Another log: what was said about the numbers of the old one means nothing.
      this.#answers.clear();
      this.#rollouts.clear();
    }
    this.#newest = revision;
    // When another control plane published it is not known here, and some have answered before it was seen.
    if (!this.#rollouts.has(revision)) this.#begin(revision, this.#expected(), Number.NaN);
  }

  lived(leases: ReadonlyMap<string, Lease>): void {
    this.#leases = leases;
    this.#living = null;
    this.#wake();
  }

  answered(status: ProxyStatus): void {
    const { proxy, revision } = status;
    const answer = { status, at: this.#now() };
    const who = nameOf(proxy, status.from);
    const before = this.#answers.get(who)?.status;
    this.#answers.delete(who);
    this.#answers.set(who, answer);
    for (const id of this.#answers.keys()) {
      if (this.#answers.size <= MAX_ANSWERS) break;
      this.#answers.delete(id);
    }
    // Another one of the same id, elsewhere, says nothing about the one that is known here.
    const lease = this.#leases.get(proxy);
    if (lease !== undefined && nameOf(proxy, lease.from) !== who) return;
    // Of a proxy that goes from one revision to the next, what came before is settled.
    if (before?.ok === true && before.revision >= revision - 1) {
      const rollout = this.#rollouts.get(revision);
      if (rollout !== undefined) settle(rollout, revision, answer);
    } else for (const [each, rollout] of this.#rollouts) settle(rollout, each, answer);
    this.#wake();
  }

  report(revision: number): RolloutReport {
    const rollout = this.#rollout(revision);
    const missing: string[] = [];
    const gone: string[] = [];
    for (const id of rollout.silent) (this.#leases.has(id) ? missing : gone).push(id);
    const joined = this.#joined(revision, rollout.expected);
    const times = [...rollout.acks.values()].map((at) => Math.max(0, at - rollout.publishedAt)).sort((a, b) => a - b);
    return {
      revision,
      expected: rollout.expected.size - gone.length + joined.acks.size + joined.nacks.size,
      acked: rollout.acks.size + joined.acks.size,
      nacked: [...rollout.nacks, ...joined.nacks].map(([proxy, problems]) => ({ proxy, problems })),
      missing: missing.sort(),
      gone: gone.sort(),
      p50Ms: rank(times, 0.5),
      p99Ms: rank(times, 0.99),
      maxMs: rank(times, 1),
      done: missing.length === 0,
    };
  }

  /** The report when everybody has answered, or after `ms`, or when `signal` ends the wait. Null when too many wait. */
  async wait(revision: number, ms: number, signal: AbortSignal): Promise<RolloutReport | null> {
    if (this.#waiters.size >= MAX_WAITERS) return null;
    await this.#until(revision, ms, signal);
    return this.report(revision);
  }

  /** Resolves when whoever lives has answered, or after `ms`, or when `signal` ends the wait. */
  #until(revision: number, ms: number, signal?: AbortSignal): Promise<void> {
    if (this.#isDone(revision) || ms <= 0 || signal?.aborted === true || this.#closed) return Promise.resolve();
    return new Promise((resolve) => {
      const end = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        this.#waiters.delete(waiter);
        resolve();
      };
      const waiter: Waiter = { revision, end };
      const timer = setTimeout(end, ms);
      signal?.addEventListener('abort', end, { once: true });
      this.#waiters.add(waiter);
    });
  }

  /** Every proxy with a live lease, by id; of those that are asked for. */
  proxies(head: number, { limit = MAX_ANSWERS, after = '', name = '', only }: ProxiesAsked = {}): ProxyReport[] {
    const ids = [...this.#leases]
      .filter(([id, lease]) => id > after && (name === '' || isNamed(id, name)) && only?.(lease) !== false)
      .map(([id]) => id)
      .sort();
    return ids.slice(0, limit).map((id): ProxyReport => {
      const { node, admin, version, startedAt, endpoints } = this.#leases.get(id)!;
      const status = this.#answerOf(id)?.status;
      return {
        id,
        node,
        revision: status?.revision ?? 0,
        state: stateOf(status, head),
        admin,
        version,
        startedAt,
        endpoints: [...endpoints],
        shards: status?.shards ?? 0,
        problems: [...(status?.problems ?? [])],
        lastAck: status?.time ?? null,
        ms: status?.ms ?? null,
      };
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const { end } of [...this.#waiters]) end();
    await Promise.all(this.#subscriptions.map((subscription) => subscription.close()));
  }

  #begin(revision: number, expected: ReadonlySet<string>, publishedAt: number): Rollout {
    const rollout = this.#settled(revision, expected, publishedAt);
    this.#rollouts.set(revision, rollout);
    let total = [...this.#rollouts.values()].reduce((sum, each) => sum + each.expected.size, 0);
    for (const [old, { expected: others }] of this.#rollouts) {
      if (this.#rollouts.size <= MAX_ROLLOUTS && (total <= MAX_EXPECTED || this.#rollouts.size === 1)) break;
      total -= others.size;
      this.#rollouts.delete(old);
    }
    return rollout;
  }

  #rollout(revision: number): Rollout {
    // Of a commit that was made before this control plane looked: no times, and the proxies that live now.
    return this.#rollouts.get(revision) ?? this.#begin(revision, this.#expected(), Number.NaN);
  }

  #settled(revision: number, expected: ReadonlySet<string>, publishedAt: number): Rollout {
    const rollout: Rollout = { expected, publishedAt, acks: new Map(), nacks: new Map(), silent: new Set(expected) };
    for (const id of expected) {
      const answer = this.#answerOf(id);
      if (answer !== undefined) settle(rollout, revision, answer);
    }
    return rollout;
  }

  /** The last one of who holds the lease of that id. */
  #answerOf(id: string): Answer | undefined {
    return this.#answers.get(nameOf(id, this.#leases.get(id)?.from));
  }

  #expected(): ReadonlySet<string> {
    this.#living ??= new Set(this.#leases.keys());
    return this.#living;
  }

  /** What proxies that live now but did not when the commit was made have answered. */
  #joined(revision: number, expected: ReadonlySet<string>): Rollout {
    const later = [...this.#leases.keys()].filter((id) => !expected.has(id));
    return this.#settled(revision, new Set(later), Number.NaN);
  }

  /** Looks no further than to the first who is waited for. */
  #isDone(revision: number): boolean {
    for (const id of this.#rollout(revision).silent) if (this.#leases.has(id)) return false;
    return true;
  }

  #wake(): void {
    for (const { revision, end } of this.#waiters) if (this.#isDone(revision)) end();
  }
}

/** Who serves a later revision has the earlier one behind it; who refuses a later one has said nothing about the earlier. */
function settle(rollout: Rollout, revision: number, { status, at }: Answer): void {
  const { proxy } = status;
  if (status.revision < revision || !rollout.expected.has(proxy) || rollout.acks.has(proxy)) return;
  if (status.ok) {
    rollout.acks.set(proxy, at);
    rollout.nacks.delete(proxy);
  } else if (status.revision === revision) rollout.nacks.set(proxy, [...status.problems]);
  else return;
  rollout.silent.delete(proxy);
}

function nameOf(id: string, from: ProxyIdentity | undefined): string {
  return from === undefined ? id : `${id} ${from.namespace} ${from.serviceAccount}`;
}

/** TYPE~ADDRESS~NAME.NAMESPACE~DOMAIN */
function isNamed(id: string, name: string): boolean {
  return id.startsWith(name) || (id.split('~')[2]?.startsWith(name) ?? false);
}

function stateOf(status: ProxyStatus | undefined, head: number): ProxyState {
  if (status === undefined) return head === 0 ? 'SYNCED' : 'NOT SENT';
  if (!status.ok) return 'NACK';
  return status.revision >= head ? 'SYNCED' : 'STALE';
}

/** Nearest rank, in ms with two decimals; null for nothing or for what was not measured. */
function rank(sorted: readonly number[], part: number): number | null {
  const value = sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)];
  return value === undefined || Number.isNaN(value) ? null : Math.round(value * 100) / 100;
}
