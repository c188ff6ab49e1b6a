// The whole configuration as a proxy has it from the log: what concerns the proxy as resources, and what a Sidecar leaves out for it
// as text, which is a fraction of that, until a change of Sidecars or rules lets it in.

import { hash } from 'node:crypto';
import { decodeResource } from '../config/decode.ts';
import { fqdn, hostForms } from '../config/hosts.ts';
import { isKind } from '../config/is-kind.ts';
import type { KindName, Specs } from '../config/kind-names.ts';
import type { SidecarSpec } from '../config/kinds/sidecar.ts';
import type { VirtualServiceSpec } from '../config/kinds/virtual-service.ts';
import type { Problem, Resource } from '../config/resource.ts';
import { byName } from '../snapshot/policies.ts';
import { namedBy } from '../snapshot/rule-destinations.ts';
import { EVERYTHING, isSeen, type Scope, scopeOf, sidecarOf } from '../snapshot/scope.ts';
import type { Node } from '../workload.ts';
import { ImportedEndpoints } from './imported-endpoints.ts';

/** A stored resource as this proxy reads it. */
interface Read {
  /** The same for bodies that are the same. */
  readonly fingerprint: string;
  readonly resource: Resource | null;
  /** Of a resource that cannot be used: what it is stored as. */
  readonly body: unknown;
  readonly problems: readonly Problem[];
}

/** One that nothing of this proxy's comes from: JSON. */
interface LeftOut {
  readonly fingerprint: string;
  readonly text: string;
}

type Stored = Read | LeftOut;

export class ResourceStore {
  private readonly node: Node;
  private stored: ReadonlyMap<string, Stored> = new Map();
  private sidecar: Resource<SidecarSpec> | null = null;
  private scope: Scope = EVERYTHING;
  /** What is told of endpoints; null: all. Another one when what is imported may be otherwise. */
  private imported: ImportedEndpoints | null = null;
  /** Where the rules lead that are read, in every form of the hosts' names. */
  private destinations: ReadonlySet<string> = new Set();

  /** The proxy's own services. */
  private readonly called: ReadonlySet<string>;

  constructor(node: Node) {
    this.node = node;
    this.called = new Set(node.services.map((name) => fqdn(name, node.namespace)));
  }

  /** Resources that did not change stay the same objects, so that only what changed is compiled. */
  replace(bodies: Iterable<readonly [key: string, body: unknown]>): void {
    this.take(new Map(), bodies, () => true);
  }

  change(upserts: readonly { readonly key: string; readonly body: unknown }[], removals: readonly string[]): void {
    // Not changed in place: whoever was given what there was holds it.
    const next = new Map(this.stored);
    for (const key of removals) next.delete(key);
    const bodies = upserts.map(({ key, body }) => [key, body] as const);
    this.take(next, bodies, (kind) => [...removals, ...bodies.map(([key]) => key)].some((key) => isOf(key, kind)));
  }

  /** Those that concern this proxy, what is wrong with them, and which endpoints do. */
  usable(): { resources: Map<string, Resource>; problems: Problem[]; imported: ImportedEndpoints | null } {
    const resources = new Map<string, Resource>();
    const problems: Problem[] = [];
    for (const [key, each] of this.stored) {
      if ('text' in each) continue;
      problems.push(...each.problems);
      if (each.resource !== null) resources.set(key, each.resource);
    }
    return { resources, problems, imported: this.imported };
  }

  /** All there is now, put into words whenever that is asked for. */
  bodies(): () => { key: string; body: unknown }[] {
    const { stored } = this;
    return () => [...stored].map(([key, each]) => ({ key, body: bodyOf(each) }));
  }

  /** `touches`: is one of the kind among what is new or gone? */
  private take(
    next: Map<string, Stored>,
    bodies: Iterable<readonly [key: string, body: unknown]>,
    touches: (kind: KindName) => boolean,
  ): void {
    const others: (readonly [key: string, body: unknown])[] = [];
    for (const each of bodies) {
      const [key, body] = each;
      if (isOf(key, 'Sidecar')) next.set(key, this.storedAs(key, body));
      else others.push(each);
    }
    // First of all, so that nothing is read in vain.
    const rescoped = touches('Sidecar') && this.rescope(next);
    for (const [key, body] of others) next.set(key, this.storedAs(key, body));
    if (rescoped) this.sortOut(next, 'VirtualService');
    const moved = (rescoped || touches('VirtualService')) && this.leadsElsewhere(next);
    if (rescoped || moved) this.sortOut(next, 'DestinationRule');
    this.stored = next;
    if (rescoped || moved || touches('Service') || touches('ServiceEntry')) this.imported = this.importedNow();
  }

  private importedNow(): ImportedEndpoints | null {
    const { scope, stored, called, destinations } = this;
    if (scope.everything) return null;
    const services = [...resourcesOf(stored, 'Service'), ...resourcesOf(stored, 'ServiceEntry')];
    return new ImportedEndpoints(services, scope, (host) => called.has(host) || destinations.has(host));
  }

  private storedAs(key: string, body: unknown): Stored {
    const text = JSON.stringify(body);
    const fingerprint = hash('sha256', text, 'base64');
    const known = this.stored.get(key);
    if (known?.fingerprint === fingerprint) return known;
    return this.concerns(key, body) ? read(key, body, fingerprint) : { fingerprint, text };
  }

  private rescope(next: ReadonlyMap<string, Stored>): boolean {
    const sidecar = sidecarOf(this.node, [...resourcesOf(next, 'Sidecar')].sort(byName));
    if (sidecar === this.sidecar) return false;
    this.sidecar = sidecar;
    this.scope = scopeOf(sidecar, this.node.namespace);
    return true;
  }

  private leadsElsewhere(next: ReadonlyMap<string, Stored>): boolean {
    const before = this.destinations;
    const rules = this.scope.everything ? [] : [...resourcesOf(next, 'VirtualService')];
    this.destinations = new Set(rules.flatMap(namedBy));
    return before.size !== this.destinations.size || [...before].some((host) => !this.destinations.has(host));
  }

  private sortOut(stored: Map<string, Stored>, kind: KindName): void {
    for (const [key, each] of stored) {
      if (!isOf(key, kind)) continue;
      const body = bodyOf(each);
      const concerned = this.concerns(key, body);
      if (concerned === 'resource' in each) continue;
      const { fingerprint } = each;
      stored.set(key, concerned ? read(key, body, fingerprint) : { fingerprint, text: JSON.stringify(body) });
    }
  }

  /** What is not of a rule's shape does: it is told of. */
  private concerns(key: string, body: unknown): boolean {
    const { scope, node } = this;
    if (scope.everything) return true;
    const { metadata, spec } = body as { metadata?: Partial<Resource['metadata']>; spec?: Record<string, unknown> };
    if (typeof metadata?.namespace !== 'string' || typeof spec !== 'object' || spec === null) return true;
    const { namespace } = metadata;
    if (isOf(key, 'VirtualService')) {
      if (!areTexts(spec.hosts) || !areTexts(spec.exportTo)) return true;
      return isSeen(body as Resource<VirtualServiceSpec>, node, scope);
    }
    if (isOf(key, 'DestinationRule') && typeof spec.host === 'string') {
      return hostForms(spec.host, namespace).some(
        (host) => this.called.has(host) || this.destinations.has(host) || scope.mayShape(namespace, host),
      );
    }
    return true;
  }
}

function read(key: string, body: unknown, fingerprint: string): Read {
  const { resource, problems } = decodeResource(body);
  return {
    body: resource === null ? body : null,
    fingerprint,
    resource,
    problems: problems.map((problem) => leavingOut({ resource: key, ...problem })),
  };
}

function bodyOf(stored: Stored): unknown {
  return 'text' in stored ? JSON.parse(stored.text) : (stored.resource ?? stored.body);
}

/** A key begins with the kind. */
function isOf(key: string, kind: KindName): boolean {
  return key.startsWith(kind) && key[kind.length] === '/';
}

/** Those that are read. */
function* resourcesOf<Name extends KindName>(
  stored: ReadonlyMap<string, Stored>,
  kind: Name,
): Iterable<Resource<Specs[Name]>> {
  for (const [key, each] of stored) {
    if (!isOf(key, kind) || 'text' in each || each.resource === null) continue;
    if (isKind(each.resource, kind)) yield each.resource;
  }
}

function areTexts(value: unknown = []): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

/** A kind that only a newer control plane knows costs itself: what it does is not known here, and the rest is better than nothing. */
function leavingOut(problem: Problem): Problem {
  if (problem.code !== 'kind' || problem.pointer !== '/kind') return problem;
  const message = 'this version of the proxy does not know the kind, and leaves the resource out';
  return { ...problem, severity: 'warning', message };
}
