// For tests of the compile: a compiler without sockets and filters, proxies to compile for, and workloads.

import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import type { Cluster } from '../../../core/cluster/cluster.ts';
import { Endpoint } from '../../../core/cluster/endpoint.ts';
import { decodeYaml } from '../../../core/config/decode.ts';
import { type Resource, resourceKey } from '../../../core/config/resource.ts';
import type { FilterFactory } from '../../../core/exchange/filter.ts';
import { hostPort } from '../../../core/host-port.ts';
import type { VirtualHost } from '../../../core/router/route.ts';
import { type Change, type Compiled, Compiler } from '../../../core/snapshot/compile.ts';
import type { FilterSource } from '../../../core/snapshot/filters.ts';
import { atOnce } from '../../../core/steps.ts';
import { Timers } from '../../../core/timers.ts';
import type { Node, WorkloadEndpoint } from '../../../core/workload.ts';

export function resources(...texts: string[]): Map<string, Resource> {
  const found = new Map<string, Resource>();
  for (const text of texts) {
    const { resources: decoded, problems } = decodeYaml(text);
    assert.deepEqual(
      problems.filter(({ severity }) => severity === 'error'),
      [],
    );
    for (const resource of decoded) found.set(resourceKey(resource), resource);
  }
  return found;
}

export function node(role: Node['role'], labels: Record<string, string> = {}, namespace = 'default'): Node {
  return {
    id: 'n',
    name: 'n',
    workload: 'n',
    namespace,
    serviceAccount: 'default',
    trustDomain: 'cluster.local',
    labels,
    role,
    address: '127.0.9.9',
    app: role === 'sidecar' ? { address: '127.0.0.1', port: 8000 } : null,
    services: [],
  };
}

function unopened(name: string): FilterFactory {
  const wants = { request: { head: false, body: false }, response: { head: false, body: false } };
  return { name, wants, open: () => assert.fail('a compile opens no filter') };
}

const UNOPENED: FilterSource = {
  builtin: unopened,
  plugin: ({ name }) => unopened(name),
  network: ({ name }) => ({ name, failsOpen: false, connect: () => null }),
  protocol: () => null,
  service: ({ name }) => ({ name }),
  typeOf: () => 'http',
};

/** All that there is. */
export interface MeshState {
  readonly resources: ReadonlyMap<string, Resource>;
  readonly endpoints: readonly WorkloadEndpoint[];
}

/** A compiler that is told of whole states, and tells the real one what is otherwise. */
export class StateCompiler {
  private readonly compiler: Compiler;
  private resources: ReadonlyMap<string, Resource> = new Map();
  private leases = new Map<string, WorkloadEndpoint[]>();

  constructor(compiler: Compiler) {
    this.compiler = compiler;
  }

  compile({ resources: now, endpoints }: MeshState, revision: number): Compiled {
    const before = this.resources;
    const leases = new Map<string, WorkloadEndpoint[]>();
    for (const endpoint of endpoints) leases.set(endpoint.id, [...(leases.get(endpoint.id) ?? []), endpoint]);
    const change: Change = {
      resources: {
        full: false,
        upserts: [...now].flatMap(([key, resource]) => (before.get(key) === resource ? [] : [resource])),
        removals: [...before.keys()].filter((key) => !now.has(key)),
      },
      endpoints: {
        upserts: [...leases].filter(([key, said]) => !isDeepStrictEqual(said, this.leases.get(key))),
        removals: [...this.leases.keys()].filter((key) => !leases.has(key)),
      },
    };
    const compiled = atOnce(this.compiler.compile(change, revision));
    atOnce(this.compiler.clear());
    this.resources = new Map(now);
    this.leases = leases;
    return compiled;
  }

  hides(name: string, port: number): boolean {
    return this.compiler.hides(name, port);
  }

  upstream(name: string): Cluster | null {
    return this.compiler.upstream(name);
  }
}

/** `filters`: what makes them; left out, each is another one. */
export function compilerFor(of: Node, filters: FilterSource = UNOPENED): StateCompiler {
  return new StateCompiler(compilerWith(of, filters));
}

/** Told of changes as a shard is. `refuses`: its filters cannot be made now. */
export function realCompilerFor(of: Node, refuses: () => boolean = () => false): Compiler {
  const builtin = (name: string): FilterFactory => {
    if (refuses()) throw new Error('it cannot be made now');
    return unopened(name);
  };
  return compilerWith(of, { ...UNOPENED, builtin });
}

function compilerWith(of: Node, filters: FilterSource): Compiler {
  const timers = new Timers(1000);
  timers.stop();
  const known = new Map<string, Endpoint>();
  return new Compiler(
    of,
    {
      endpoint(address, port) {
        const key = hostPort(address, port);
        const endpoint =
          known.get(key) ?? new Endpoint({ timers, expectedStreams: () => 1, dial: () => () => {} }, address, port);
        known.set(key, endpoint);
        return endpoint;
      },
      random: Math.random,
      limits: null,
      resolver: () => (done) => done(),
    },
    filters,
  );
}

export function workload(name: string, version: string, address: string): WorkloadEndpoint {
  return {
    id: `${name}-${version}`,
    name: `${name}-${version}-1`,
    workload: `${name}-${version}`,
    namespace: 'default',
    serviceAccount: `bookinfo-${name}`,
    trustDomain: 'cluster.local',
    labels: { app: name, version },
    services: [name],
    address,
    port: 15006,
    appPort: 9080,
    weight: 1,
    locality: '',
  };
}

export function clusterNames(host: VirtualHost): string[] {
  return host.routes.flatMap(({ action }) =>
    action.type === 'forward' ? action.targets.map((t) => t.clusterName) : [],
  );
}
