// Validation as a dry run of the real compile: whether every kind of proxy will be able to compile a state, asked before it is
// committed. Nothing is dialled, no filter is instantiated.

import { Endpoint } from '../cluster/endpoint.ts';
import type { Problem, Resource } from '../config/resource.ts';
import type { FilterFactory } from '../exchange/filter.ts';
import { atOnce } from '../steps.ts';
import { Timers } from '../timers.ts';
import type { Node } from '../workload.ts';
import { Compiler } from './compile.ts';
import { faultsIn } from './faults.ts';
import type { FilterSource } from './filters.ts';
import { type NodeKind, nodeKinds } from './node-kinds.ts';
import { policiesIn } from './policies.ts';

/** What is known beside the state. */
export interface DryRunOptions {
  /** Proxies that there are. */
  readonly nodes?: readonly Node[];
  /** Keys of what is new in the state. Default: all of it. */
  readonly changed?: ReadonlySet<string>;
}

/** Resources compiled in all, once for each kind of proxy: half a second of work. Who is left out says so itself, by a refusal. */
const MAX_WORK = 8_000;
const LEAST_KINDS = 4;
/** Compiles that look for who is to blame. */
const MAX_SUSPECTS = 200;

/** Errors: what some proxy could not compile. Warnings are the business of core/config. */
export function dryRun(resources: ReadonlyMap<string, Resource>, options: DryRunOptions = {}): Problem[] {
  const faults = faultsIn(policiesIn(resources));
  if (faults.length > 0) return faults;
  const { nodes = [], changed = new Set(resources.keys()) } = options;
  return compileAll(resources, nodeKinds(resources, nodes, changed), changed);
}

/** As dryRun does it, for these kinds of proxies, the likeliest to fail first. */
export function compileAll(
  resources: ReadonlyMap<string, Resource>,
  kinds: readonly NodeKind[],
  changed: ReadonlySet<string>,
): Problem[] {
  const most = Math.max(LEAST_KINDS, Math.floor(MAX_WORK / (resources.size + 1)));
  for (const { node, alone } of kinds.slice(0, most)) {
    if (fault(node, resources) === null) continue;
    // What is wrong together and right alone is wrong for a proxy that nobody has.
    const broken = alone.length === 0 ? node : alone.find((each) => fault(each, resources) !== null);
    const problem = broken === undefined ? null : blame(broken, resources, changed);
    if (problem !== null) return [problem];
  }
  return [];
}

/** Why this proxy could not run it; null: it could. */
function fault(node: Node, resources: ReadonlyMap<string, Resource>): string | null {
  try {
    compileDry(node, resources);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Names the resource without which this proxy could run it, looking at what is new first; null: it could. */
export function blame(
  node: Node,
  resources: ReadonlyMap<string, Resource>,
  changed: ReadonlySet<string>,
): Problem | null {
  const why = fault(node, resources);
  if (why === null) return null;
  const message = `it cannot be compiled ${forWhom(node)}: ${why}`;
  const suspects = [...resources.keys()].sort((a, b) => Number(changed.has(b)) - Number(changed.has(a)));
  for (const key of suspects.slice(0, MAX_SUSPECTS)) {
    const others = new Map(resources);
    others.delete(key);
    if (fault(node, others) === null)
      return { severity: 'error', code: 'compile', message, resource: key, pointer: '/spec' };
  }
  return { severity: 'error', code: 'compile', message: message.replace('it', 'the configuration') };
}

/** 'for sidecars of the namespace shop with app=cart' */
function forWhom({ role, namespace, labels, services }: Node): string {
  const names = Object.entries(labels).map(([name, value]) => `${name}=${value}`);
  const known = [...names, ...services].slice(0, 5);
  return `for ${role}s of the namespace ${namespace}${known.length === 0 ? '' : ` with ${known.join(', ')}`}`;
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
  atOnce(
    compiler.compile({ resources: { full: true, upserts: [...resources.values()], removals: [] }, endpoints: null }, 0),
  );
}

/** Filters by name that nothing runs in. */
const INERT: FilterSource = {
  builtin: (name) => inert(name),
  plugin: ({ name }) => inert(name),
  network: ({ name }) => ({ name, failsOpen: false, connect: () => null }),
  protocol: () => null,
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
