// Validation as a dry run of the real compile: the control plane asks whether proxies will be able to compile a state
// before it commits it. Nothing is dialled, no filter is instantiated.

import { Endpoint } from '../cluster/endpoint.ts';
import { isKind } from '../config/kind-names.ts';
import type { Problem, Resource } from '../config/resource.ts';
import type { FilterFactory } from '../exchange/filter.ts';
import { Timers } from '../timers.ts';
import type { Node } from '../workload.ts';
import { Compiler } from './compile.ts';
import { faultsIn } from './faults.ts';
import type { FilterSource } from './filters.ts';
import { policiesIn } from './policies.ts';

/** Errors: what no proxy could compile. Warnings are the business of core/config. */
export function dryRun(resources: ReadonlyMap<string, Resource>): Problem[] {
  const faults = faultsIn(policiesIn(resources));
  if (faults.length > 0) return faults;
  try {
    for (const node of [nominal('sidecar', {}), nominal('gateway', gatewayLabels(resources))])
      compileDry(node, resources);
    return [];
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return [{ severity: 'error', code: 'compile', message: `the configuration cannot be compiled: ${message}` }];
  }
}

/** What this proxy would compile. Throws what it could not. */
export function compileDry(node: Node, resources: ReadonlyMap<string, Resource>): void {
  const timers = new Timers(1000);
  timers.stop();
  const pools = { timers, expectedStreams: () => 1, dial: () => () => {} };
  const compiler = new Compiler(
    node,
    {
      endpoint: (address, port) => new Endpoint(pools, address, port),
      random: () => 0,
      limits: null,
      resolver: () => (done) => done(),
    },
    INERT,
  );
  compiler.compile({ resources, endpoints: [] }, 0);
}

function nominal(role: Node['role'], labels: Readonly<Record<string, string>>): Node {
  return {
    id: '',
    name: 'dry-run',
    workload: 'dry-run',
    namespace: 'default',
    serviceAccount: 'default',
    trustDomain: 'cluster.local',
    labels,
    role,
    address: '',
    app: role === 'sidecar' ? { address: '127.0.0.1', port: 1 } : null,
    services: [],
  };
}

/** A gateway that every Gateway selects, as far as selectors do not contradict each other. */
function gatewayLabels(resources: ReadonlyMap<string, Resource>): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const resource of resources.values()) {
    if (isKind(resource, 'Gateway')) Object.assign(labels, resource.spec.selector);
  }
  return labels;
}

/** Filters by name that nothing runs in. */
const INERT: FilterSource = {
  builtin: (name) => inert(name),
  plugin: ({ name }) => inert(name),
  network: ({ name }) => ({ name, failsOpen: false, connect: () => null }),
  service: ({ name }) => ({ name }),
  typeOf: () => 'http',
};

function inert(name: string): FilterFactory {
  return {
    name,
    wants: { request: { head: false, body: false }, response: { head: false, body: false } },
    open() {
      throw new Error('a dry run has no requests');
    },
  };
}
