// Dry runs kept from change to change: of a large state what a change has to do with is compiled, and nothing else. Whether a
// route can be compiled is decided by its rule and what it refers to; whether a filter can be, by the policies.

import { ORDER } from '../builtins/order.ts';
import { isKind } from '../config/is-kind.ts';
import { kindName, type Problem, type Resource } from '../config/resource.ts';
import type { Node } from '../workload.ts';
import { configFaults } from './chain-plan.ts';
import { headerFaults } from './changes.ts';
import { compileAll } from './dry-run.ts';
import { isAimed, nodeKinds } from './node-kinds.ts';
import { policiesIn } from './policies.ts';

/** By key; null: it goes, or was not there. */
type Change = ReadonlyMap<string, Resource | null>;

export interface DryRunOf {
  /** The state after the change. */
  readonly resources: ReadonlyMap<string, Resource>;
  /** As they were before. */
  readonly before: Change;
  /** Keys of what is new in it. */
  readonly changed: ReadonlySet<string>;
  readonly nodes: readonly Node[];
  /** What the change has to do with, and what that refers to. */
  around(): ReadonlyMap<string, Resource>;
}

/** What stands in chains, whatever routes there are. */
const CHAINS = new Set(['FilterChain', 'Plugin', 'WasmPlugin']);
const ROLES = new Set(['RbacConfig', 'ClusterRbacConfig', 'ServiceRole', 'ServiceRoleBinding']);
const POLICIES = new Set([
  ...ROLES,
  ...['AuthorizationPolicy', 'MeshConfig', 'RequestAuthentication', 'RateLimitPolicy', 'Telemetry'],
]);
const BUILTIN_NAMES = new Set<string>(ORDER.map(({ name }) => name));

export class DryRuns {
  readonly #chains = new Map<string, Resource>();
  readonly #policies = new Map<string, Resource>();
  /** Who is for some proxies only, among all kinds. */
  readonly #aimed = new Map<string, Resource>();
  /** How many resources each has. */
  readonly #namespaces = new Map<string, number>();
  /** What is wrong with rules, whomever they are for. */
  readonly #faults = new Map<string, readonly Problem[]>();

  /** `before`: the same keys as they are up to now. */
  change(resources: Change, before: Change): void {
    for (const [key, resource] of resources) {
      const old = before.get(key) ?? null;
      for (const kept of [this.#chains, this.#policies, this.#aimed, this.#faults]) kept.delete(key);
      if (old !== null) this.#count(old, -1);
      if (resource !== null) this.#keep(key, resource);
    }
  }

  /** Errors: what some proxy could not compile after the change, which was told before. */
  problems({ resources, before, changed, nodes, around }: DryRunOf): Problem[] {
    const faults = [...configFaults(policiesIn(this.#chains)), ...[...this.#faults.values()].flat()];
    if (faults.length > 0) return faults;
    const known = new Map(this.#aimed);
    for (const key of changed) {
      const resource = resources.get(key);
      if (resource !== undefined) known.set(key, resource);
    }
    const kinds = nodeKinds(known, nodes, changed, this.#namespaces.keys());
    const concerned = this.#isForAll(resources, before) ? resources : this.#with(around(), before);
    return compileAll(concerned, kinds, changed);
  }

  #with(around: ReadonlyMap<string, Resource>, before: Change): Map<string, Resource> {
    const policies = [...before.keys()].some((key) => POLICIES.has(kindOf(key))) ? this.#policies : [];
    return new Map([...around, ...this.#chains, ...policies]);
  }

  /** Whether anything may fail now that did not before. */
  #isForAll(resources: ReadonlyMap<string, Resource>, before: Change): boolean {
    const roles = [...this.#policies.values()].some(
      (each) => isKind(each, 'RbacConfig') || isKind(each, 'ClusterRbacConfig'),
    );
    for (const [key, old] of before) {
      const kind = kindOf(key);
      // Roles are about services.
      if (roles && (kind === 'Service' || ROLES.has(kind))) return true;
      // A filter that was left out may be there again.
      if (CHAINS.has(kind) && [old, resources.get(key) ?? null].some(leavesOut)) return true;
    }
    return false;
  }

  #keep(key: string, resource: Resource): void {
    const kind = kindName(resource);
    if (CHAINS.has(kind)) this.#chains.set(key, resource);
    if (POLICIES.has(kind)) this.#policies.set(key, resource);
    if (isAimed(resource)) this.#aimed.set(key, resource);
    if (isKind(resource, 'VirtualService')) {
      const faults = headerFaults([resource]);
      if (faults.length > 0) this.#faults.set(key, faults);
    }
    this.#count(resource, 1);
  }

  #count({ metadata: { namespace } }: Resource, more: number): void {
    const left = (this.#namespaces.get(namespace) ?? 0) + more;
    if (left > 0) this.#namespaces.set(namespace, left);
    else this.#namespaces.delete(namespace);
  }
}

/** Of a chain a filter of ours; or it may hide one by its name. */
function leavesOut(resource: Resource | null): boolean {
  if (resource === null) return false;
  if (!isKind(resource, 'FilterChain')) return BUILTIN_NAMES.has(resource.metadata.name);
  const { disable = [], routes = [] } = resource.spec;
  return disable.length > 0 || routes.some((route) => route.disable === true);
}

function kindOf(key: string): string {
  return key.slice(0, key.indexOf('/'));
}
