// One run: peers side by side in front of one upstream, scenario by scenario, in rounds that go A B C, A B C, so that
// whatever else the machine does falls on all of them.

import { join } from 'node:path';
import type { Children } from './children.ts';
import { createCredentials } from './credentials.ts';
import { type PeerFigures, type Ratio, ratiosOf } from './figures.ts';
import { filtersIn } from './filter-files.ts';
import type { Loads, Traffic } from './load/load.ts';
import { type Machine, machine } from './machine.ts';
import { measureApply } from './measures/apply.ts';
import { measureIdle } from './measures/idle.ts';
import { measureLoad } from './measures/load.ts';
import { measureScaling } from './measures/scaling.ts';
import type { MeasureSetting } from './measures/setting.ts';
import { measureSoak } from './measures/soak.ts';
import { measureStart } from './measures/start.ts';
import type { Peer } from './peers/peer.ts';
import { answers } from './ports.ts';
import type { Entrant, Scenario } from './scenarios/scenario.ts';
import { Stable, type Stall } from './stable.ts';
import { startUpstream } from './upstream.ts';
import { Upstreams } from './upstreams.ts';

export interface Plan {
  readonly peers: readonly Peer[];
  readonly scenarios: readonly Scenario[];
  readonly rounds: number;
  /** Of load for each peer in each round; before the first round each peer gets the same once, unmeasured. */
  readonly seconds: number;
  /** How long `soak` takes at its rate; null: as long as its share of a run, at full load. */
  readonly soakSeconds: number | null;
}

export interface Setting {
  readonly children: Children;
  readonly loads: Loads;
  /** Empty and the run's own. */
  readonly folder: string;
  say(line: string): void;
}

export interface Results {
  readonly machine: Machine;
  readonly plan: { readonly rounds: number; readonly seconds: number; readonly tookSeconds: number };
  /** Versions of the peers, of the upstream and of the load generator, by name. */
  readonly versions: Readonly<Record<string, string>>;
  /** Peers that were asked for and not measured at all. `broken`: it is installed and did not serve. */
  readonly missing: readonly { readonly peer: string; readonly reason: string; readonly broken: boolean }[];
  /** Peers that were left out of one scenario. */
  readonly leftOut: readonly { readonly scenario: string; readonly peer: string; readonly reason: string }[];
  readonly about: Readonly<Record<string, string>>;
  readonly scenarios: Readonly<Record<string, readonly PeerFigures[]>>;
  readonly ratios: Readonly<Record<string, readonly Ratio[]>>;
}

/** Whom the others are compared with, where they take part. */
export const BASES = [
  'nginx',
  'haproxy',
  'envoy',
  'reply-from',
  'envoy-plain',
  'weft-plain',
  'weft-1-shard',
  'nginx-1-worker',
];
/** Answers above this size are not read to see whether a peer serves. */
const ASKED_FOR = 16 << 20;

export async function measure(plan: Plan, setting: Setting): Promise<Results> {
  const { loads, children, folder, say } = setting;
  const began = performance.now();
  const about = machine();
  const versions: Record<string, string> = { load: loads.closed.wrk.version() };
  const missing: Results['missing'][number][] = [];
  const leftOut: Results['leftOut'][number][] = [];
  const scenarios: Record<string, readonly PeerFigures[]> = {};
  const ratios: Record<string, readonly Ratio[]> = {};

  const present: Peer[] = [];
  for (const peer of plan.peers) {
    const reason = await peer.prepare();
    if (reason === null) {
      present.push(peer);
      versions[peer.name] = peer.version();
    } else {
      missing.push({ peer: peer.name, reason, broken: false });
      say(`${peer.name} is not measured: ${reason}`);
    }
  }
  const sizes = sizesOf(plan.scenarios);
  const upstream = await startUpstream(children, join(folder, 'upstream'), sizes);
  versions.upstream = upstream.version;
  const upstreams = new Upstreams({ children, folder, sizes, plain: upstream.port });
  const credentials = await createCredentials();
  const stable = new Stable(present, {
    children,
    folder,
    upstreamPort: (behind) => upstreams.port(behind),
    credentials,
    filterFile: filtersIn(folder),
  });

  for (const scenario of plan.scenarios) {
    const entrants = scenario.entrants.filter(({ peer: name, label, setup }) => {
      const peer = present.find((one) => one.name === name);
      const reason = peer?.lacks(setup) ?? null;
      if (reason !== null) leftOut.push({ scenario: scenario.name, peer: label, reason });
      return peer !== undefined && reason === null;
    });
    await stable.keep(entrants);
    if (entrants.length === 0) continue;
    const unable = 'closed' in scenario ? loads.closed[scenario.closed].missing() : null;
    if (unable !== null) {
      for (const { label } of entrants) leftOut.push({ scenario: scenario.name, peer: label, reason: unable });
      say(`${scenario.name} is left out: ${unable}`);
      continue;
    }
    say(`${scenario.name}: ${scenario.about}`);
    const failed: Entrant[] = [];
    const measuring: MeasureSetting = {
      ...{ loads, stable, say, rounds: plan.rounds, seconds: plan.seconds, soakSeconds: plan.soakSeconds },
      serves: (stall, traffic, proof, pauseMs) => serves(stall, traffic, proof, pauseMs),
      leaveOut(label, text) {
        const reason = text.split('\n')[0];
        failed.push(...entrants.filter((entrant) => entrant.label === label));
        leftOut.push({ scenario: scenario.name, peer: label, reason });
        say(`  ${label} is left out: ${text}`);
      },
    };
    const figures = await runScenario({ ...withToken(scenario, credentials.token), entrants }, measuring);
    if (figures.length > 0) {
      scenarios[scenario.name] = figures;
      ratios[scenario.name] = ratiosOf(figures, BASES);
    }
    // One that did not serve here may have no process any more.
    await stable.keep(entrants.filter((entrant) => !failed.includes(entrant)));
  }
  for (const { name } of present) {
    const served = Object.values(scenarios).some((figures) => figures.some(({ peer }) => peer.startsWith(name)));
    const reason = leftOut.find(({ peer }) => peer.startsWith(name))?.reason;
    if (!served && reason !== undefined) missing.push({ peer: name, reason, broken: true });
  }
  const tookSeconds = Math.round((performance.now() - began) / 1000);
  return {
    machine: about,
    plan: { rounds: plan.rounds, seconds: plan.seconds, tookSeconds },
    ...{ versions, missing, leftOut, scenarios, ratios },
    about: Object.fromEntries(plan.scenarios.map((scenario) => [scenario.name, scenario.about])),
  };
}

function runScenario(scenario: Scenario, setting: MeasureSetting): Promise<readonly PeerFigures[]> {
  switch (scenario.kind) {
    case 'load':
      return measureLoad(scenario, setting);
    case 'scaling':
      return measureScaling(scenario, setting);
    case 'idle':
      return measureIdle(scenario, setting);
    case 'start':
      return measureStart(scenario, setting);
    case 'apply':
      return measureApply(scenario, setting);
    case 'soak':
      return measureSoak(scenario, setting);
  }
}

/** Everybody of a scenario gets the same requests, also those who do not look at the token. */
function withToken(scenario: Scenario, token: string): Scenario {
  if (scenario.kind !== 'load' && scenario.kind !== 'scaling') return scenario;
  if (scenario.entrants.every(({ setup }) => setup.filters !== 'chain')) return scenario;
  return { ...scenario, traffic: { ...scenario.traffic, headers: { authorization: `Bearer ${token}` } } };
}

async function serves(stall: Stall, traffic: Traffic, proof: string | null, pauseMs?: number): Promise<void> {
  const { responseBodyBytes, headers, path } = traffic;
  const small = traffic.as === 'requests' && (responseBodyBytes === null || responseBodyBytes <= ASKED_FOR);
  const bytes = small ? responseBodyBytes : 300;
  const url = `${stall.origin}${small ? path : '/300'}`;
  const waiting = { timeoutMs: 20_000, pauseMs, alive: () => stall.alive() };
  const h2 = stall.entrant.setup.speaks === 'h2';
  await answers(url, { bytes, headers, proof, h2 }, waiting).catch((error: Error) => {
    throw new Error(`it does not serve: ${error.message}\n${stall.said()}`.trim());
  });
}

/** What the upstream must have: 300 B are also what tells whether a peer is there. */
function sizesOf(scenarios: readonly Scenario[]): readonly number[] {
  const sizes = scenarios.flatMap((scenario) => ('traffic' in scenario ? [scenario.traffic.responseBodyBytes] : []));
  return [...new Set([300, ...sizes.filter((size) => size !== null)])];
}
