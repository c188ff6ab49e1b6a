// Configuration, endpoints and life signs over NATS. What arrives is decoded again, since no wire is trusted; every
// revision is answered with an ack or a nack once all shards have spoken. Without NATS the last good state serves.

import { setTimeout as delay } from 'node:timers/promises';
import { openBus } from '../../bus/connect.ts';
import { endInOrder } from '../../bus/in-order.ts';
import { advance } from '../../bus/log/commit-format.ts';
import type { Bus, BusOptions, Commit, ConfigState, Lease, OtherLog, Position, Questions } from '../../bus/types.ts';
import { formatProblem } from '../config/decode.ts';
import { isKind } from '../config/is-kind.ts';
import { isError } from '../config/problem.ts';
import type { Problem } from '../config/resource.ts';
import { mtlsMode } from '../snapshot/peer-authentication.ts';
import type { Node } from '../workload.ts';
import type { Configuration, Outcome } from './configuration.ts';
import type { Credentials } from './credentials.ts';
import { Discovered } from './discovered.ts';
import { ownEndpoints, readEndpoints, servedBy } from './endpoints.ts';
import type { Log } from './options.ts';
import { PLUGIN_MISSING } from './plugin-modules.ts';
import { ResourceStore } from './resource-store.ts';
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
  readonly credentials: Pick<Credentials, 'follow'>;
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

export class BusSource implements Source {
  private readonly options: BusSourceOptions;
  private readonly startedAt = new Date().toISOString();
  private readonly stopped = new AbortController();
  private readonly closers: (() => Promise<void>)[] = [];
  private bus: Bus | null = null;
  private lease: Awaited<ReturnType<Bus['leases']['hold']>> | null = null;
  private readonly discovered: Discovered;
  private retry: NodeJS.Timeout | null = null;
  /** As of `at`. */
  private readonly store: ResourceStore;
  /** null before the first. */
  private at: Position | null = null;
  /** The newest that runs, for the disk. */
  private good: { readonly at: Position; bodies(): KeptState['resources'] } | null = null;
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
    this.store = new ResourceStore(options.node);
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
      this.store.replace(kept.resources.map(({ key, body }) => [key, body] as const));
      this.at = kept.at;
      configuration.changeEndpoints({ upserts: servedBy(readEndpoints(kept.endpoints)), removals: [] });
      const proposal = this.proposal();
      for (const problem of proposal.problems) log(problem.severity, 'state', formatProblem(problem));
      const outcome = await configuration.propose(proposal);
      const first = outcome.problems.find(isError);
      if (!outcome.ok) {
        this.at = null;
        throw new Error(first === undefined ? 'it is refused' : formatProblem(first));
      }
      this.good = { at: kept.at, bodies: this.store.bodies() };
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
    bus.certificates.onTrust((version) => this.options.certificate.trusts(version));
    void this.options.credentials.follow(bus.secrets);
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
    const { resources, ...at } = state;
    this.store.replace(resources);
    this.at = at;
    await this.propose();
  }

  private async commitArrived(commit: Commit): Promise<void> {
    this.store.change(commit.upserts, commit.removals);
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

  private proposal(): Parameters<Configuration['propose']>[0] {
    return { revision: this.at?.revision ?? 0, ...this.store.usable() };
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
    const { at } = this;
    const bodies = this.store.bodies();
    const before = this.reached();
    const { ok, problems, ms }: Outcome = await configuration.propose(proposal);
    if (ok && at !== null) {
      this.good = { at, bodies };
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
    state?.save(() => {
      const { at, bodies } = this.good!;
      return { at, resources: bodies(), endpoints: configuration.endpoints };
    });
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
