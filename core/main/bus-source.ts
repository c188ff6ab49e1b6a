// Configuration, endpoints and life signs over NATS. What arrives is decoded again, since no wire is trusted; every
// revision is answered with an ack or a nack once all shards have spoken. Without NATS the last good state serves.

import { hash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { advance } from '../../bus/commit-format.ts';
import { openBus } from '../../bus/connect.ts';
import { endInOrder } from '../../bus/in-order.ts';
import type { Bus, BusOptions, Commit, ConfigState, Lease, OtherLog, Position, Questions } from '../../bus/types.ts';
import { decodeResource, formatProblem } from '../config/decode.ts';
import { isKind } from '../config/is-kind.ts';
import { isError } from '../config/problem.ts';
import type { Problem, Resource } from '../config/resource.ts';
import { mtlsMode } from '../snapshot/peer-authentication.ts';
import type { Node } from '../workload.ts';
import type { Configuration, Outcome } from './configuration.ts';
import { Discovered } from './discovered.ts';
import { ownEndpoints, readEndpoints, servedBy } from './endpoints.ts';
import type { Log } from './options.ts';
import { PLUGIN_MISSING } from './plugin-modules.ts';
import type { Source } from './source.ts';
import type { KeptState, StateFolder } from './state.ts';
import type { WorkloadCertificate } from './workload-certificate.ts';

export interface BusSourceOptions {
  readonly bus: BusOptions;
  readonly node: Node;
  readonly configuration: Configuration;
  readonly log: Log;
  readonly state: StateFolder | null;
  readonly certificate: WorkloadCertificate;
  /** Of admin's endpoints. */
  readonly ask: Parameters<Questions['answer']>[0];
  readonly version: string;
  readonly leaseTtlMs: number;
  readonly register: boolean;
  readonly shards: () => number;
  /** Where this proxy is asked about itself, or ''. */
  readonly admin: () => string;
  /** Where requests for the workload arrive. */
  readonly inbound: () => { readonly address: string; readonly port: number } | null;
}

/** A revision that was refused because a port was taken is tried again, and so is a start that NATS did not answer. */
const RETRY_MS = 5_000;
/** How long the first certificate is waited for before a proxy serves without one. */
const CERTIFICATE_MS = 3_000;
/** Codes of problems that pass by themselves. */
const PASSING = ['listener', 'shard', PLUGIN_MISSING];
/** How long an end waits for NATS, a step each, and for the disk. */
const GOODBYE_MS = 1_000;
const KEEP_MS = 4_000;

/** A stored resource as this proxy reads it. */
interface Read {
  /** Of a resource that cannot be used: what it is stored as. */
  readonly body: unknown;
  /** The same for bodies that are the same. */
  readonly fingerprint: string;
  readonly resource: Resource | null;
  readonly problems: readonly Problem[];
}

export class BusSource implements Source {
  private readonly options: BusSourceOptions;
  private readonly startedAt = new Date().toISOString();
  private readonly stopped = new AbortController();
  private readonly closers: (() => Promise<void>)[] = [];
  private bus: Bus | null = null;
  private lease: Awaited<ReturnType<Bus['leases']['hold']>> | null = null;
  private readonly discovered: Discovered;
  private retry: NodeJS.Timeout | null = null;
  /** The whole store as of `at`, also what of it cannot be used. */
  private store = new Map<string, Read>();
  /** null before the first. */
  private at: Position | null = null;
  /** The newest that runs, for the disk. */
  private good: Pick<KeptState, 'at' | 'resources'> | null = null;
  /** A log that NATS has and that is not taken. */
  private other: OtherLog | null = null;
  private registered: boolean;
  private reachedAs: {
    readonly running: Configuration['running'];
    readonly certificate: WorkloadCertificate['current'];
    readonly text: string;
  } | null = null;
  private connecting: Promise<void> = Promise.resolve();
  /** The newest proposal; those before it end first. */
  private proposing: Promise<void> = Promise.resolve();

  constructor(options: BusSourceOptions) {
    this.options = options;
    this.registered = options.register;
    this.discovered = new Discovered(options.log, (update, full) => {
      options.configuration.changeEndpoints(update, full);
      this.keep();
    });
  }

  /** The last good state serves at once; NATS is awaited in the background, for as long as it takes. */
  async start(): Promise<void> {
    await this.startFromDisk();
    this.connecting = this.keepConnecting();
  }

  status(): string {
    const { servers } = this.options.bus;
    if (this.bus?.connected) return `NATS at ${servers.join(', ')}`;
    return `NATS at ${servers.join(', ')}, which cannot be reached now`;
  }

  held(): string {
    if (this.other === null) return '';
    const running = this.options.configuration.running?.revision ?? 0;
    return `revision ${running} runs, of a log that NATS no longer has: ${this.other.reason} (see \`mesh restore\`)`;
  }

  async module(digest: string): Promise<Uint8Array | null> {
    if (this.bus === null) throw new Error('NATS is not connected');
    return this.bus.objects.get(digest);
  }

  async register(): Promise<void> {
    this.registered = true;
    this.lease?.update(this.ownLease());
  }

  async unregister(): Promise<void> {
    this.registered = false;
    this.lease?.update(this.ownLease());
  }

  async close(): Promise<void> {
    this.stopped.abort();
    if (this.retry !== null) clearTimeout(this.retry);
    this.discovered.close();
    const { lease, bus } = this;
    this.lease = null;
    await endInOrder(
      [
        { what: 'leaving discovery', ms: GOODBYE_MS, end: () => (bus?.connected ? lease?.withdraw() : null) },
        { what: 'leaving NATS', ms: GOODBYE_MS, end: () => this.disconnect() },
        { what: 'connecting', ms: GOODBYE_MS, end: () => this.connecting },
        { what: 'the last revision', ms: GOODBYE_MS, end: () => this.proposing },
        { what: 'keeping the last good state', ms: KEEP_MS, end: () => this.options.state?.close() },
      ],
      (sentence) => this.options.log('warning', 'bus', sentence),
    );
  }

  private async startFromDisk(): Promise<void> {
    const { state, configuration, log } = this.options;
    await state?.load(async (kept) => {
      this.replaceStore({ ...kept.at, resources: new Map(kept.resources.map(({ key, body }) => [key, body])) });
      configuration.changeEndpoints({ upserts: servedBy(readEndpoints(kept.endpoints)), removals: [] });
      const proposal = this.proposal();
      for (const problem of proposal.problems) log(problem.severity, 'state', formatProblem(problem));
      const outcome = await configuration.propose(proposal);
      const first = outcome.problems.find(isError);
      if (!outcome.ok) {
        this.at = null;
        throw new Error(first === undefined ? 'it is refused' : formatProblem(first));
      }
      this.good = kept;
      log('info', 'state', `revision ${kept.at.revision} of the last run serves until NATS answers`);
    });
  }

  /** The bus comes back by itself once it is open; what fails before is tried again from the start. */
  private async keepConnecting(): Promise<void> {
    const { signal } = this.stopped;
    while (!signal.aborted) {
      try {
        await this.connect();
        return;
      } catch (error) {
        if (signal.aborted) return await this.disconnect();
        this.options.log('warning', 'bus', `no configuration from NATS yet: ${(error as Error).message}`);
        await this.disconnect();
        await delay(RETRY_MS, null, { signal, ref: false }).catch(() => null);
      }
    }
  }

  private async disconnect(): Promise<void> {
    const { bus } = this;
    this.bus = null;
    // First the bus: what is asked of it ends, and nothing waits for answers any more.
    await bus?.close();
    for (const close of this.closers.splice(0)) await close();
  }

  private async connect(): Promise<void> {
    const { bus: options, log } = this.options;
    const bus = await openBus({
      ...options,
      role: 'proxy',
      waitMs: Number.POSITIVE_INFINITY,
      signal: this.stopped.signal,
      onConnection: (state, detail) => {
        if (state === 'connected') log('info', 'bus', `${state}: ${detail}`);
        else log('warning', 'bus', `${state} from NATS at ${options.servers.join(', ')}: ${detail}`);
      },
    });
    this.bus = bus;
    this.stopped.signal.throwIfAborted();
    bus.questions.answer(this.options.ask);
    const certified = this.options.certificate.follow(bus.certificates, () => this.lease?.update(this.ownLease()));
    // Endpoints first: a route should not begin with an empty cluster.
    const endpoints = await this.discovered.follow(bus);
    this.closers.push(() => endpoints.close());
    const { signal } = this.stopped;
    await Promise.race([certified, delay(CERTIFICATE_MS, null, { signal, ref: false }).catch(() => null)]);
    const config = await bus.config.follow(this.at, {
      commit: (commit) => void this.commitArrived(commit),
      state: (state) => void this.stateArrived(state),
      held: (other) => this.heldBack(other),
    });
    this.closers.push(() => config.close());
    await this.proposing;
    this.lease = await bus.leases.hold(this.ownLease());
  }

  private async stateArrived(state: ConfigState): Promise<void> {
    this.replaceStore(state);
    await this.propose();
  }

  private async commitArrived(commit: Commit): Promise<void> {
    const { upserts, removals } = commit;
    // Not changed in place: proposals that wait hold the map.
    const store = new Map(this.store);
    for (const key of removals) store.delete(key);
    for (const { key, body } of upserts) store.set(key, read(key, body));
    this.store = store;
    this.at = advance(this.at!, commit);
    await this.propose();
  }

  /** Nothing that runs is replaced by a log that does not have it: whoever looks after the mesh decides. */
  private heldBack(other: OtherLog | null): void {
    const { node, log, shards } = this.options;
    this.other = other;
    if (other === null) {
      void this.propose();
      return;
    }
    const problem: Problem = { severity: 'error', code: 'held', message: this.held() };
    log('error', 'config', problem.message);
    const time = new Date().toISOString();
    const { revision } = other;
    this.bus?.statuses.report({
      proxy: node.id,
      revision,
      ok: false,
      problems: [problem],
      shards: shards(),
      ms: 0,
      time,
    });
  }

  /** Resources that did not change stay the same objects, so that only what changed is compiled. */
  private replaceStore({ resources, ...at }: ConfigState): void {
    const store = new Map<string, Read>();
    for (const [key, body] of resources) {
      const known = this.store.get(key);
      store.set(key, known !== undefined && known.fingerprint === fingerprintOf(body) ? known : read(key, body));
    }
    this.store = store;
    this.at = at;
  }

  private proposal(): Parameters<Configuration['propose']>[0] {
    const resources = new Map<string, Resource>();
    const problems: Problem[] = [];
    for (const [key, { resource, problems: found }] of this.store) {
      problems.push(...found);
      if (resource !== null) resources.set(key, resource);
    }
    return { revision: this.at?.revision ?? 0, resources, problems };
  }

  private propose(): Promise<void> {
    this.proposing = this.proposeNow();
    return this.proposing;
  }

  private async proposeNow(): Promise<void> {
    const { configuration, log, node, shards } = this.options;
    if (this.retry !== null) clearTimeout(this.retry);
    this.retry = null;
    const proposal = this.proposal();
    const { revision } = proposal;
    const { at, store } = this;
    const before = this.reached();
    const { ok, problems, ms }: Outcome = await configuration.propose(proposal);
    if (ok && at !== null) {
      this.good = { at, resources: [...store].map(([key, { resource, body }]) => ({ key, body: resource ?? body })) };
      this.keep();
    }
    if (this.stopped.signal.aborted) return;
    // Where, or how, it is reached from now on.
    if (this.reached() !== before) this.lease?.update(this.ownLease());
    const time = new Date().toISOString();
    this.bus?.statuses.report({ proxy: node.id, revision, ok, problems, shards: shards(), ms, time });
    for (const problem of problems) log(problem.severity, 'config', `revision ${revision}: ${formatProblem(problem)}`);
    if (ok) {
      log('info', 'config', `revision ${revision} runs: ${proposal.resources.size} resources, ${ms.toFixed(1)} ms`);
      this.retrySoon(revision, problems);
      return;
    }
    const stays =
      configuration.running === null ? 'nothing runs yet' : `revision ${configuration.running.revision} stays`;
    log('error', 'config', `revision ${revision} is refused; ${stays}`);
    this.retrySoon(proposal.revision, problems);
  }

  /** What may be otherwise soon: a port that is taken, a module that is not there. */
  private retrySoon(revision: number, problems: readonly Problem[]): void {
    if (revision !== this.at?.revision || !problems.some(({ code }) => PASSING.includes(code))) return;
    this.retry = setTimeout(() => void this.propose(), RETRY_MS);
  }

  private keep(): void {
    const { configuration, state } = this.options;
    if (this.good === null) return;
    state?.save(() => ({ ...this.good!, endpoints: configuration.endpoints }));
  }

  /** In one text, worked out once for what runs: most changes leave it as it is. */
  private reached(): string {
    const { configuration, certificate } = this.options;
    const { running } = configuration;
    const { current } = certificate;
    if (this.reachedAs?.running !== running || this.reachedAs.certificate !== current) {
      const text = JSON.stringify([configuration.listeners, this.takesTls()]);
      this.reachedAs = { running, certificate: current, text };
    }
    return this.reachedAs.text;
  }

  /** It can, and what runs lets others. */
  private takesTls(): boolean {
    const { certificate, configuration, node } = this.options;
    const resources = configuration.running?.resources.values() ?? [];
    const rules = [...resources].filter((resource) => isKind(resource, 'PeerAuthentication'));
    return certificate.current !== null && mtlsMode(rules, node) !== 'DISABLE';
  }

  private ownLease(): Lease {
    const { node, leaseTtlMs: ttlMs, version, admin, inbound, configuration } = this.options;
    const endpoints = this.registered
      ? ownEndpoints(node, inbound(), configuration.listeners, this.takesTls())
      : ownEndpoints(node, null);
    return { proxy: node.id, ttlMs, node, endpoints, admin: admin(), version, startedAt: this.startedAt };
  }
}

function read(key: string, body: unknown): Read {
  const { resource, problems } = decodeResource(body);
  return {
    body: resource === null ? body : null,
    fingerprint: fingerprintOf(body),
    resource,
    problems: problems.map((problem) => leavingOut({ resource: key, ...problem })),
  };
}

/** A large configuration is not kept twice in order to know whether it is another one. */
function fingerprintOf(body: unknown): string {
  return hash('sha256', JSON.stringify(body), 'base64');
}

/** A kind that only a newer control plane knows costs itself: what it does is not known here, and the rest is better than nothing. */
function leavingOut(problem: Problem): Problem {
  if (problem.code !== 'kind' || problem.pointer !== '/kind') return problem;
  const message = 'this version of the proxy does not know the kind, and leaves the resource out';
  return { ...problem, severity: 'warning', message };
}
