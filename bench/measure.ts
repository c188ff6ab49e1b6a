// One run: peers side by side in front of one upstream, scenario by scenario, in rounds that go A B C, A B C, so that
// whatever else the machine does falls on all of them.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Children } from './children.ts';
import { figuresOf, type PeerFigures, type Ratio, type Round, ratiosOf } from './figures.ts';
import type { Load } from './load/load.ts';
import { type Machine, machine } from './machine.ts';
import type { Peer, RunningPeer } from './peers/peer.ts';
import { answers } from './ports.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { startUpstream } from './upstream.ts';
import { usage } from './usage.ts';

export interface Plan {
  readonly peers: readonly Peer[];
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  /** Of load for each peer in each round; before the first round each peer gets the same once, unmeasured. */
  readonly seconds: number;
}

export interface Setting {
  readonly children: Children;
  readonly load: Load;
  /** Empty and the run's own. */
  readonly folder: string;
  say(line: string): void;
}

export interface Results {
  readonly machine: Machine;
  readonly plan: { readonly rounds: number; readonly seconds: number };
  /** Versions of the peers, of the upstream and of the load generator, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Peers that were asked for and not measured. `broken`: it is installed and did not serve. */
  readonly missing: readonly { readonly peer: string; readonly reason: string; readonly broken: boolean }[];
  readonly scenarios: Readonly<Record<string, readonly PeerFigures[]>>;
  readonly ratios: Readonly<Record<string, readonly Ratio[]>>;
}

interface Measured extends RunningPeer {
  readonly name: string;
}

export async function measure(plan: Plan, setting: Setting): Promise<Results> {
  const { load, children, folder, say } = setting;
  const versions: Record<string, string> = { load: load.version() };
  const missing: Results['missing'][number][] = [];
  const scenarios: Record<string, readonly PeerFigures[]> = {};
  const ratios: Record<string, readonly Ratio[]> = {};
  const about = machine();

  const sizes = [...new Set(plan.scenarios.map(({ responseBodyBytes }) => responseBodyBytes))];
  const upstream = await startUpstream(children, join(folder, 'upstream'), sizes);
  versions.upstream = upstream.version;

  const running: Measured[] = [];
  for (const peer of plan.peers) {
    const absent = peer.missing();
    if (absent !== null) {
      missing.push({ peer: peer.name, reason: absent, broken: false });
      say(`${peer.name} is not measured: ${absent}`);
      continue;
    }
    try {
      running.push(await startPeer(peer, upstream.port, sizes, setting));
      versions[peer.name] = peer.version();
    } catch (error) {
      const reason = (error as Error).message;
      missing.push({ peer: peer.name, reason, broken: true });
      say(`${peer.name} is not measured: ${reason}`);
    }
  }

  for (const scenario of running.length === 0 ? [] : plan.scenarios) {
    scenarios[scenario.name] = await runScenario(scenario, running, plan, setting);
    ratios[scenario.name] = ratiosOf(scenarios[scenario.name], ['nginx', 'reply-from']);
  }
  return { machine: about, plan: { rounds: plan.rounds, seconds: plan.seconds }, versions, missing, scenarios, ratios };
}

async function startPeer(
  peer: Peer,
  upstreamPort: number,
  sizes: readonly number[],
  { children, folder }: Setting,
): Promise<Measured> {
  const own = join(folder, peer.name);
  mkdirSync(own);
  const started = await peer.start({ children, folder: own, upstreamPort });
  for (const size of sizes) {
    await answers(`${started.origin}/${size}`, size, 20_000, () => started.process.alive()).catch((error: Error) => {
      throw new Error(`it does not serve: ${error.message}\n${started.process.output()}`.trim());
    });
  }
  return { ...started, name: peer.name };
}

async function runScenario(
  scenario: Scenario,
  peers: readonly Measured[],
  plan: Plan,
  setting: Setting,
): Promise<readonly PeerFigures[]> {
  const { say, load } = setting;
  say(`${scenario.name}: ${scenario.about}`);
  for (const peer of peers) await load.run(peer.origin, scenario, plan.seconds);
  const rounds = peers.map((): Round[] => []);
  for (let round = 0; round < plan.rounds; round++) {
    for (const [i, peer] of peers.entries()) rounds[i].push(await runOnce(peer, scenario, plan.seconds, setting));
    const costs = peers.map(({ name }, i) => `${name} ${rounds[i][round].cpuMicrosPerRequest.toFixed(1)}`);
    say(`  round ${round + 1}/${plan.rounds}: ${costs.join(', ')} µs CPU per request`);
  }
  return peers.map(({ name }, i) => figuresOf(name, rounds[i]));
}

async function runOnce(peer: Measured, scenario: Scenario, seconds: number, { load }: Setting): Promise<Round> {
  const before = usage(peer.process.pid);
  const figures = await load.run(peer.origin, scenario, seconds);
  const after = usage(peer.process.pid);
  if (!peer.process.alive()) {
    throw new Error(`${peer.name} ended under ${scenario.name}: ${peer.process.output()}`);
  }
  if (figures.requests === 0) throw new Error(`${peer.name} answered nothing under ${scenario.name}`);
  return {
    cpuMicrosPerRequest: (after.cpuMicros - before.cpuMicros) / figures.requests,
    requestsPerSecond: figures.requests / figures.seconds,
    p50Ms: figures.p50Ms,
    p99Ms: figures.p99Ms,
    rssMiB: after.rssMiB,
    errors: figures.errors,
  };
}
