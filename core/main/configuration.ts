// The configuration of a proxy as its main thread holds it: proposals, one after the other, each of which becomes the
// running configuration of every shard or of none.

import { type Problem, type Resource, resourceKey } from '../config/resource.ts';
import { hostPort } from '../host-port.ts';
import type { ConfigUpdate, EndpointUpdate, ToShard } from '../shard/protocol.ts';
import { askingFor, listenersOf } from '../snapshot/listeners.ts';
import type { FilterThreads } from '../threads/filter-threads.ts';
import type { Applied, Shards } from '../threads/shards.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import type { Node, WorkloadEndpoint } from '../workload.ts';
import type { Credentials } from './credentials.ts';
import type { Address, Log } from './options.ts';
import type { PluginModules } from './plugin-modules.ts';
import { PortUnavailable, releasePort, reservePort } from './ports.ts';
import { type EndpointFilter, EVERY_ENDPOINT, ToldEndpoints } from './told-endpoints.ts';

/** A whole configuration. Resources that did not change since the one before are the same objects. */
export interface Proposal {
  readonly revision: number;
  readonly resources: ReadonlyMap<string, Resource>;
  /** What is wrong with it already; with an error among them it is refused as a whole. */
  readonly problems: readonly Problem[];
  /** Of which endpoints shards are told with it; left out or null: of all. */
  readonly imported?: EndpointFilter | null;
}

export interface Outcome {
  readonly ok: boolean;
  /** Errors when not ok, else warnings. */
  readonly problems: readonly Problem[];
  /** From the call to the last shard's swap. */
  readonly ms: number;
}

/** Resources, or those who serve endpoints, that a shard reads in a millisecond or two. */
const IN_ONE_GO = 200;

export interface ConfigurationOptions {
  readonly node: Node;
  /** Listeners that no resource asks for: outbound and inbound, with real ports. */
  readonly fixed: readonly ListenerSpec[];
  readonly gatewayAddress: string;
  readonly gatewayPorts: Readonly<Record<number, number>>;
  readonly log: Log;
  readonly plugins: Pick<PluginModules, 'prepare' | 'adopted' | 'modules'>;
  /** Keys and certificates that a configuration names. */
  readonly credentials: Pick<Credentials, 'prepare'>;
  /** Threads for slow filters. */
  readonly filterThreads: Pick<FilterThreads, 'start'>;
  /** A proposal has become the running configuration. */
  onAdopted(): void;
}

export interface Running {
  readonly revision: number;
  readonly resources: ReadonlyMap<string, Resource>;
  readonly listeners: readonly ListenerSpec[];
}

export class Configuration {
  /** null before the first. */
  running: Running | null = null;
  private readonly told = new ToldEndpoints();
  rejected = 0;
  /** Why the last proposal was refused; null when it was not. */
  refusal: string | null = null;
  private readonly options: ConfigurationOptions;
  private readonly shards: () => Shards;
  private last: Promise<unknown> = Promise.resolve();
  /** Real ports of gateways, kept for when a listener comes back: by address and configured port. */
  private readonly gatewayPorts = new Map<string, number>();

  /** `shards` is asked for when it is needed: shards are greeted with what is here. */
  constructor(options: ConfigurationOptions, shards: () => Shards) {
    this.options = options;
    this.shards = shards;
  }

  /** Those that are open, or will be with the first configuration. */
  get listeners(): readonly ListenerSpec[] {
    return this.running?.listeners ?? this.options.fixed;
  }

  /** Never rejects: what goes wrong is in the outcome, and the configuration before it stays. */
  propose(proposal: Proposal): Promise<Outcome> {
    const asked = performance.now();
    const outcome = this.last.then(async (): Promise<Outcome> => {
      const { ok, problems } = await this.adopt(proposal).catch((error: Error): Applied => {
        this.options.log('error', 'main', `revision ${proposal.revision} cannot be applied: ${error.stack}`);
        return { ok: false, problems: [{ severity: 'error', code: 'internal', message: error.message }] };
      });
      if (!ok) this.rejected++;
      this.refusal = ok ? null : (problems.find(isError)?.message ?? 'refused');
      return { ok, problems, ms: performance.now() - asked };
    });
    this.last = outcome;
    return outcome;
  }

  /** By whoever serves them. */
  get endpoints(): readonly WorkloadEndpoint[] {
    return this.told.endpoints;
  }

  /** What is not otherwise than before is not told again. `full`: who is not among them is gone. */
  changeEndpoints(update: EndpointUpdate, full = false): void {
    this.tell(this.told.change(update, full));
  }

  private tell(update: EndpointUpdate): void {
    for (const message of endpointMessages(update)) this.shards().post(message);
  }

  /** What a newborn shard is told. Endpoints first: a route should not begin with an empty cluster. */
  greeting(): ToShard[] {
    const messages = endpointMessages(this.told.all);
    if (this.running !== null) {
      const { modules } = this.options.plugins;
      if (modules.length > 0) messages.push({ type: 'modules', modules });
      const { message, parts } = inParts(whole(this.running));
      messages.push(...parts, message);
    }
    return messages;
  }

  private async adopt(proposal: Proposal): Promise<Applied> {
    const { revision, resources } = proposal;
    if (proposal.problems.some(isError)) return { ok: false, problems: proposal.problems };
    const { listeners, unavailable } = await this.listenersFor(resources);
    if (unavailable.length > 0) return { ok: false, problems: unavailable };
    const prepared = await this.options.plugins.prepare(resources, this.running === null);
    if (prepared.problems.some(isError)) return { ok: false, problems: prepared.problems.filter(isError) };
    const found = [
      ...proposal.problems,
      ...prepared.problems,
      ...(await this.options.credentials.prepare(resources.values())),
    ];
    // The first request shall not wait for them.
    if (prepared.isolated) await this.options.filterThreads.start();
    const shards = this.shards();
    if (prepared.modules.length > 0) shards.post({ type: 'modules', modules: prepared.modules });
    const before = shards.born;
    // First what it calls; what only the one before it calls goes when that is no more.
    const filter = proposal.imported ?? EVERY_ENDPOINT;
    this.tell(this.told.widen(filter));
    const update = difference(this.running, revision, resources);
    const { message, parts } = inParts({ type: 'config', update, listeners });
    const answers = await shards.configure(message, parts);
    if (answers.length === 0) {
      const why = `no shard survived revision ${revision}: the one before it stays`;
      return { ok: false, problems: [{ severity: 'error', code: 'shard', message: why }] };
    }
    const problems = [...found, ...distinct(answers.flatMap((answer) => answer.problems))];
    if (answers.some(({ ok }) => !ok)) {
      await this.restore(answers.some(hasTaken));
      this.tell(this.told.revert());
      return { ok: false, problems: await this.blamed(problems.filter(isError), resources, update) };
    }
    for (const listener of this.listeners) if (!listeners.includes(listener)) releasePort(listener);
    this.running = { revision, resources, listeners };
    this.tell(this.told.narrow(filter));
    // Shards that were born meanwhile were greeted with the configuration before this one.
    await this.options.plugins.adopted(prepared, resources);
    await shards.greetAgain(before);
    this.options.onAdopted();
    return { ok: true, problems };
  }

  /** What did not compile, with the resource without which it does: found here, where no request waits. */
  private async blamed(
    problems: readonly Problem[],
    resources: ReadonlyMap<string, Resource>,
    { upserts }: ConfigUpdate,
  ): Promise<readonly Problem[]> {
    if (!problems.some(({ code, resource }) => code === 'compile' && resource === undefined)) return problems;
    const { blame } = await import('../snapshot/dry-run.ts');
    const found = blame(this.options.node, resources, new Set(upserts.map(resourceKey)));
    return found === null ? problems : [...problems.filter(({ code }) => code !== 'compile'), found];
  }

  /** Some shards took what cannot run everywhere (a port was snatched): all go back. */
  private async restore(needed: boolean): Promise<void> {
    if (!needed) return;
    const { running } = this;
    const nothing: Running = { revision: 0, resources: new Map(), listeners: [] };
    const { message, parts } = inParts(whole(running ?? nothing));
    await this.shards().configure(message, parts);
  }

  private async listenersFor(
    resources: ReadonlyMap<string, Resource>,
  ): Promise<{ listeners: ListenerSpec[]; unavailable: Problem[] }> {
    const { node, fixed, gatewayAddress, gatewayPorts, log } = this.options;
    const listeners = [...fixed];
    const unavailable: Problem[] = [];
    for (const wanted of listenersOf(node, resources.values(), gatewayAddress)) {
      const open = this.running?.listeners.find((listener) => sameListener(listener, wanted));
      if (open !== undefined) {
        listeners.push(open);
        continue;
      }
      const key = `${wanted.address} ${wanted.configuredPort}`;
      const mapped = this.gatewayPorts.get(key) ?? gatewayPorts[wanted.configuredPort] ?? wanted.configuredPort;
      const port = await this.reserve({ address: wanted.address, port: mapped }, wanted.configuredPort).catch(
        (error) => {
          if (!(error instanceof PortUnavailable)) throw error;
          const { message } = error;
          const asking = askingFor(wanted.configuredPort, node, resources.values());
          unavailable.push({ severity: 'error', code: 'listener', message, ...asking });
          return null;
        },
      );
      if (port === null) continue;
      this.gatewayPorts.set(key, port);
      const instead = port === wanted.configuredPort ? '' : ` in place of ${wanted.configuredPort}`;
      log('info', 'main', `gateway listens on ${hostPort(wanted.address, port)}${instead}`);
      listeners.push({ ...wanted, port });
    }
    return { listeners, unavailable };
  }

  /** A port of ours may still be closing, or be open on another address: shards can share it with themselves. */
  private reserve(address: Address, configuredPort: number): Promise<number> {
    const ours = address.port !== 0 && [...this.gatewayPorts.values()].includes(address.port);
    return ours ? Promise.resolve(address.port) : reservePort(address, `Gateway port ${configuredPort}`);
  }
}

function isError({ severity }: Problem): boolean {
  return severity === 'error';
}

function sameListener(left: ListenerSpec, right: ListenerSpec): boolean {
  return left.kind === right.kind && left.address === right.address && left.configuredPort === right.configuredPort;
}

function whole({ revision, resources, listeners }: Running): ToShard & { type: 'config' } {
  const update = { revision, full: true, upserts: [...resources.values()], removals: [] };
  return { type: 'config', update, listeners };
}

/** A shard reads a message in one go, and its requests wait for that. */
function inParts(message: ToShard & { type: 'config' }): { message: ToShard & { type: 'config' }; parts: ToShard[] } {
  const { update } = message;
  const upserts = [...update.upserts];
  const parts: ToShard[] = [];
  while (upserts.length > IN_ONE_GO) parts.push({ type: 'resources', upserts: upserts.splice(0, IN_ONE_GO) });
  return { message: { ...message, update: { ...update, upserts } }, parts };
}

function endpointMessages({ upserts, removals }: EndpointUpdate): ToShard[] {
  const messages: ToShard[] = [];
  const most = Math.max(upserts.length, removals.length);
  for (let at = 0; at < most; at += IN_ONE_GO) {
    const end = at + IN_ONE_GO;
    messages.push({
      type: 'endpoints',
      update: { upserts: upserts.slice(at, end), removals: removals.slice(at, end) },
    });
  }
  return messages;
}

function difference(from: Running | null, revision: number, to: ReadonlyMap<string, Resource>): ConfigUpdate {
  if (from === null) return { revision, full: true, upserts: [...to.values()], removals: [] };
  const upserts = [];
  for (const [key, resource] of to) if (from.resources.get(key) !== resource) upserts.push(resource);
  const removals = [...from.resources.keys()].filter((key) => !to.has(key));
  return { revision, full: false, upserts, removals };
}

/** A shard whose listener cannot be opened runs everything else of the configuration already. */
function hasTaken({ ok, problems }: Applied): boolean {
  return ok || problems.some(({ code }) => code === 'listener');
}

/** Every shard says the same: once is enough. */
function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()];
}
