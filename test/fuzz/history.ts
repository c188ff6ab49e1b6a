// Fuzzes what a proxy ran before: whatever the order in which resources and endpoints came and went, whatever was refused and
// whatever filters called, its snapshot is that of a proxy that knows only what there is in the end. `node test/fuzz/history.ts 60` runs for a minute.

import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { type Resource, resourceKey } from '../../core/config/resource.ts';
import type { FilterFactory } from '../../core/exchange/filter.ts';
import type { Route, VirtualHost } from '../../core/router/route.ts';
import type { Compiled } from '../../core/snapshot/compile.ts';
import type { FilterSource } from '../../core/snapshot/filters.ts';
import type { Node, WorkloadEndpoint } from '../../core/workload.ts';
import { tellUsage } from '../../scripts/usage.ts';
import { compilerFor, node, resources, workload } from '../core/snapshot/rig.ts';
import { KINDS, pick, type Random, resourceText, seeded } from './history-resources.ts';

const NODES: readonly Node[] = [
  node('sidecar', { app: 'web' }),
  node('sidecar', { app: 'a' }, 'shop'),
  { ...node('gateway', { istio: 'ingressgateway' }, 'istio-system'), outbound: true },
];
export const WORKLOADS: readonly WorkloadEndpoint[] = [
  workload('a', 'v1', '127.0.1.1'),
  workload('a', 'v2', '127.0.1.2'),
  { ...workload('b', 'v1', '127.0.1.3'), namespace: 'shop' },
  { ...workload('web', 'v1', '127.0.1.4'), appPort: 8080 },
  // Another one at an address that somebody has, and two who share a registration.
  { ...workload('a', 'v3', '127.0.1.2'), services: ['a', 'shared'], labels: { app: 'b', version: 'v1' } },
  { ...workload('b', 'v2', '127.0.1.6'), services: ['shared.default.svc.cluster.local'], appPort: 81 },
  { ...workload('b', 'v4', '192.0.2.8'), services: ['c.example'], weight: 3 },
];
export const FOUND = [
  'a',
  'a:80',
  'b.shop',
  'c.example',
  'x.c.example:81',
  'shared',
  'E.example',
  '192.0.2.1',
  'a.default:9080',
];
export const CALLED = ['a:80', 'b.shop:81', 'shared:80', 'c.example:80', 'outbound|80|v1|a.default.svc.cluster.local'];

/** One sequence of changes on one proxy. */
export function history(seed: number, steps = 25): void {
  const random = seeded(seed);
  const of = pick(random, NODES);
  let refuses = false;
  const compiler = compilerFor(
    of,
    interned(() => refuses),
  );
  const state = new Map<string, Resource>();
  let endpoints: readonly WorkloadEndpoint[] = [];
  const called = new Set<string>();
  for (let step = 1; step <= steps; step++) {
    const change = random();
    if (change < 0.15) endpoints = shuffled(random, WORKLOADS).slice(Math.floor(random() * WORKLOADS.length));
    else if (change < 0.35 && state.size > 0) state.delete(pick(random, [...state.keys()]));
    else {
      for (const [key, resource] of resources(resourceText(random, pick(random, KINDS)))) state.set(key, resource);
    }
    const tried = { resources: new Map(state), endpoints };
    refuses = random() < 0.2;
    try {
      compiler.compile(tried, step);
    } catch (error) {
      assert.ok(refuses, String(error));
    }
    refuses = false;
    const compiled = compiler.compile(tried, step);
    if (random() < 0.1) called.add(pick(random, CALLED));
    for (const name of called) compiler.upstream(name);
    if (step < steps && random() < 0.9) continue;
    const fresh = compilerFor(of, interned());
    const again = new Map(shuffled(random, [...state]).map(([, resource]) => [resourceKey(resource), resource]));
    const other = fresh.compile({ resources: again, endpoints: shuffled(random, endpoints) }, step);
    for (const name of called) fresh.upstream(name);
    assert.deepEqual(described(compiled), described(other), `seed ${seed}, step ${step}`);
  }
}

/** Equal configurations are the same filter, as a shard's are. `refuses`: they cannot be made now. */
function interned(refuses: () => boolean = () => false): FilterSource {
  const filters = new Map<string, FilterFactory>();
  const of = (name: string): FilterFactory => {
    const wants = { request: { head: false, body: false }, response: { head: false, body: false } };
    if (refuses()) throw new Error('refused');
    const known = filters.get(name) ?? { name, wants, open: () => assert.fail('a compile opens no filter') };
    filters.set(name, known);
    return known;
  };
  return {
    builtin: (name, { bytes }) => of(`${name} ${Buffer.from(bytes).toString('hex')}`),
    plugin: ({ name }) => of(name),
    network: ({ name }) => ({ name, failsOpen: false, connect: () => null }),
    protocol: () => null,
    service: ({ name }) => ({ name }),
    typeOf: () => 'http',
  };
}

/** Everything that a request meets, and what is told of it, as values. */
export function described({ snapshot, problems, filters }: Compiled): unknown {
  const clusters = [...snapshot.clusters.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return {
    outbound: snapshot.outbound.virtualHosts.map(hostOf),
    gateways: [...snapshot.gateways].map(([port, { virtualHosts }]) => [port, virtualHosts.map(hostOf)]),
    inbound: snapshot.inbound === null ? null : hostOf(snapshot.inbound),
    clusters: clusters.map(({ spec, endpoints }) => [
      spec,
      endpoints.map(({ key, workload: who }) => [key, who?.name]),
    ]),
    network: snapshot.network.length,
    outboundPolicy: snapshot.outboundPolicy,
    problems,
    filters: [...filters].map(([{ name }, count]) => `${name} ${count}`).sort(),
    found: FOUND.map((authority) => snapshot.outbound.find(authority)?.name),
    telemetry: inspect(snapshot.telemetry, { depth: 6 }),
  };
}

function hostOf({ routes, unrouted, ...host }: VirtualHost): unknown {
  return { ...host, unrouted: unrouted === null ? null : routeOf(unrouted), routes: routes.map(routeOf) };
}

function routeOf({ matches, chain, action, responseChanges, ...route }: Route): unknown {
  return {
    ...route,
    matches: matches.map(({ text, begins, asksClaims }) => [text, begins, asksClaims]),
    chain: chain.filters.map(({ name }, i) => [
      name,
      Buffer.from(chain.configurations[i]?.bytes ?? []).toString('hex'),
    ]),
    responseChanges: inspect(responseChanges, { depth: 6 }),
    action:
      action.type === 'forward'
        ? {
            ...action,
            rewritePath: action.rewritePath?.('/a/b?c', 2),
            retry: inspect(action.retry),
            targets: action.targets.map(({ cluster, requestChanges, responseChanges: changes, ...target }) => ({
              ...target,
              cluster: cluster?.name ?? null,
              changes: inspect([requestChanges, changes], { depth: 6 }),
            })),
          }
        : action,
  };
}

function shuffled<Item>(random: Random, items: readonly Item[]): Item[] {
  return items
    .map((item) => [random(), item] as const)
    .toSorted(([a], [b]) => a - b)
    .map(([, item]) => item);
}

if (import.meta.main) {
  tellUsage('node test/fuzz/history.ts [seconds] [seed]');
  const end = Date.now() + 1000 * Number(process.argv[2] ?? 10);
  const first = Number(process.argv[3] ?? Date.now() % 1_000_000);
  let seed = first;
  while (Date.now() < end) history(seed++, 40);
  console.log(`${seed - first} sequences from seed ${first}`);
}
