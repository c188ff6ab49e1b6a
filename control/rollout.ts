// Who runs which revision. A rollout is measured by the control plane's clock alone: from the publish of a commit to the
// arrival of each answer. Expected are the proxies that had a live lease when the commit was made and still have one; who
// joined later is not waited for and not measured, but counts once it has answered.
import type { Bus, Lease, ProxyStatus, Subscription } from '../bus/types.ts';

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

interface Rollout {
  readonly expected: ReadonlySet<string>;
  readonly publishedAt: number;
  readonly acks: Map<string, number>;
  readonly nacks: Map<string, unknown[]>;
}

interface Answer {
  readonly status: ProxyStatus;
  readonly at: number;
}

const MAX_ROLLOUTS = 200;
const MAX_WAITERS = 1_000;
/** As many as the bus keeps. The longest silent go first. */
const MAX_ANSWERS = 20_000;

export class Rollouts {
  #leases: ReadonlyMap<string, Lease> = new Map();
  readonly #answers = new Map<string, Answer>();
  readonly #rollouts = new Map<number, Rollout>();
  readonly #waiters = new Set<() => void>();
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

  /** Resolves when the live proxies and their last answers are known. */
  async follow(bus: Bus, onLeases: (leases: ReadonlyMap<string, Lease>) => void = () => {}): Promise<void> {
    this.#subscriptions = await Promise.all([
      bus.statuses.follow((status) => this.answered(status)),
      bus.leases.follow((leases) => {
        this.lived(leases);
        onLeases(leases);
      }),
    ]);
  }

  /** Called before a commit is published; the result is called with its revision when it stands. */
  publish(): (revision: number) => void {
    const publishedAt = this.#now();
    const expected = new Set(this.#leases.keys());
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
    if (!this.#rollouts.has(revision)) this.#begin(revision, new Set(this.#leases.keys()), Number.NaN);
  }

  lived(leases: ReadonlyMap<string, Lease>): void {
    this.#leases = leases;
    this.#wake();
  }

  answered(status: ProxyStatus): void {
    const answer = { status, at: this.#now() };
    this.#answers.delete(status.proxy);
    this.#answers.set(status.proxy, answer);
    for (const id of this.#answers.keys()) {
      if (this.#answers.size <= MAX_ANSWERS) break;
      this.#answers.delete(id);
    }
    for (const [revision, rollout] of this.#rollouts) settle(rollout, revision, answer);
    this.#wake();
  }

  report(revision: number): RolloutReport {
    const rollout = this.#rollouts.get(revision) ?? this.#afterwards(revision);
    const missing: string[] = [];
    const gone: string[] = [];
    for (const id of rollout.expected) {
      if (rollout.acks.has(id) || rollout.nacks.has(id)) continue;
      (this.#leases.has(id) ? missing : gone).push(id);
    }
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
    const deadline = this.#now() + ms;
    for (;;) {
      const report = this.report(revision);
      const left = deadline - this.#now();
      if (report.done || left <= 0 || signal.aborted || this.#closed) return report;
      await new Promise<void>((resolve) => {
        const done = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', done);
          this.#waiters.delete(done);
          resolve();
        };
        const timer = setTimeout(done, left);
        signal.addEventListener('abort', done, { once: true });
        this.#waiters.add(done);
      });
    }
  }

  /** Every proxy with a live lease, by id. */
  proxies(head: number): ProxyReport[] {
    return [...this.#leases.values()]
      .map(({ proxy: id, node, admin, version, startedAt, endpoints }): ProxyReport => {
        const status = this.#answers.get(id)?.status;
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
      })
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await Promise.all(this.#subscriptions.map((subscription) => subscription.close()));
  }

  #begin(revision: number, expected: ReadonlySet<string>, publishedAt: number): void {
    const rollout: Rollout = { expected, publishedAt, acks: new Map(), nacks: new Map() };
    for (const answer of this.#answers.values()) settle(rollout, revision, answer);
    this.#rollouts.set(revision, rollout);
    for (const old of this.#rollouts.keys()) {
      if (this.#rollouts.size <= MAX_ROLLOUTS) break;
      this.#rollouts.delete(old);
    }
    this.#wake();
  }

  /** What proxies that live now but did not when the commit was made have answered. */
  #joined(revision: number, expected: ReadonlySet<string>): Rollout {
    const later = new Set([...this.#leases.keys()].filter((id) => !expected.has(id)));
    const rollout: Rollout = { expected: later, publishedAt: Number.NaN, acks: new Map(), nacks: new Map() };
    for (const id of later) {
      const answer = this.#answers.get(id);
      if (answer !== undefined) settle(rollout, revision, answer);
    }
    return rollout;
  }

  /** Of a commit that was made before this control plane looked: no times, and the proxies that live now. */
  #afterwards(revision: number): Rollout {
    const rollout: Rollout = {
      expected: new Set(this.#leases.keys()),
      publishedAt: Number.NaN,
      acks: new Map(),
      nacks: new Map(),
    };
    for (const answer of this.#answers.values()) settle(rollout, revision, answer);
    return rollout;
  }

  #wake(): void {
    for (const done of [...this.#waiters]) done();
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
