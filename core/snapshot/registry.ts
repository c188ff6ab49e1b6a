// The registry: which services this proxy sees, by full host name. Of several that say that they are the host, one counts; who
// else does is remembered, for when that one goes, and so is what is not exported to this proxy or not imported by it.

import { fqdn, hostForms } from '../config/hosts.ts';
import { isKind } from '../config/is-kind.ts';
import type { Resource } from '../config/resource.ts';
import { isVisible } from '../config/visibility.ts';
import type { Node } from '../workload.ts';
import { EVERYTHING, type Scope } from './scope.ts';
import { fromService, fromServiceEntry, type Service, type Services } from './services.ts';
import { insertByRank } from './sorted-list.ts';

/** A service, and who says so: of those that are seen, the one of the lowest rank counts. */
interface Claim {
  readonly rank: string;
  readonly service: Service;
  /** Is it exported to this proxy's namespace? */
  readonly exported: boolean;
  /** What of it this proxy imports: all of it, some of its ports, or null. */
  readonly imported: Service | null;
}

/** How a host's service is otherwise: null is none. */
export type ServiceChanged = (host: string, before: Service | null, after: Service | null) => void;

export class ServiceRegistry implements Services {
  /** Another one whenever some service is another one. */
  version = 0;
  /** To whom services are exported that say nothing of it; it counts for what is replaced from then on. */
  usual: readonly string[] | undefined = undefined;
  private readonly node: Node;
  private readonly changed: ServiceChanged;
  private scope = EVERYTHING;
  /** By rank. */
  private readonly claims = new Map<string, Claim[]>();
  /** Hosts that rules lead to, imported or not, and how many say so; and the proxy's own. */
  private readonly destinations = new Map<string, number>();

  constructor(node: Node, changed: ServiceChanged) {
    this.node = node;
    this.changed = changed;
    for (const name of node.services) this.destinations.set(fqdn(name, node.namespace), 1);
  }

  get(host: string): Service | undefined {
    const claim = this.seen(host);
    return claim === undefined ? undefined : (claim.imported ?? claim.service);
  }

  has(host: string): boolean {
    return this.seen(host) !== undefined;
  }

  *values(): Iterable<Service> {
    for (const host of this.claims.keys()) {
      const service = this.get(host);
      if (service !== undefined) yield service;
    }
  }

  /** '' = there is none. */
  rankOf(host: string): string {
    return this.seen(host)?.rank ?? '';
  }

  /** Is there such a service of the mesh, by a name that a client may use, and is this port of it not for this proxy? */
  hides(name: string, port: number): boolean {
    for (const form of hostForms(name, this.node.namespace)) {
      const claim = this.claims.get(form)?.find(({ rank }) => rank.startsWith(DESCRIBED) || rank === REGISTERED);
      if (claim === undefined) continue;
      const has = (service: Service | undefined): boolean =>
        service?.ports.some(({ number }) => number === port) === true;
      return !this.has(form) || (has(claim.service) && !has(this.get(form)));
    }
    return false;
  }

  /** From now on this is what is imported. */
  *rescope(scope: Scope): Iterable<void> {
    this.scope = scope;
    for (const [host, claims] of this.claims) {
      const before = this.get(host) ?? null;
      this.claims.set(
        host,
        claims.map((claim) => this.claimOf(claim.rank, claim.service, claim.exported, claim.imported)),
      );
      this.tell(host, before);
      yield;
    }
  }

  /** One rule more, or less, leads to this host. */
  lead(host: string, by: 1 | -1): void {
    const before = this.get(host) ?? null;
    const count = (this.destinations.get(host) ?? 0) + by;
    if (count === 0) this.destinations.delete(host);
    else this.destinations.set(host, count);
    this.tell(host, before);
  }

  /** Services and ServiceEntries; other kinds are none of its business. */
  replace(before: Resource | null, after: Resource | null): void {
    const gone = new Map((before === null ? [] : this.claimsOf(before)).map((claim) => [keyOf(claim), claim]));
    for (const claim of after === null ? [] : this.claimsOf(after)) {
      this.claim(claim);
      gone.delete(keyOf(claim));
    }
    for (const { rank, service } of gone.values()) this.withdraw(rank, service.host);
  }

  /** What workloads say that they serve, where nobody describes it; null: none says so any more. */
  register(host: string, service: Service | null): void {
    if (service === null) this.withdraw(REGISTERED, host);
    else this.claim(this.claimOf(REGISTERED, service, true, this.registeredClaim(host)?.imported ?? null));
  }

  /** As workloads registered it. */
  registered(host: string): Service | null {
    return this.registeredClaim(host)?.service ?? null;
  }

  private registeredClaim(host: string): Claim | undefined {
    return this.claims.get(host)?.find(({ rank }) => rank === REGISTERED);
  }

  /** Where nobody whom this proxy imports says that he is the host, rules may lead to it all the same. */
  private seen(host: string): Claim | undefined {
    const claims = this.claims.get(host);
    if (claims === undefined) return undefined;
    const imported = claims.find((claim) => claim.imported !== null);
    if (imported !== undefined || !this.destinations.has(host)) return imported;
    return claims.find(({ exported }) => exported);
  }

  /** `before`: what was imported, which stays the same object while it says the same. */
  private claimOf(rank: string, service: Service, exported: boolean, before: Service | null = null): Claim {
    if (!exported) return { rank, service, exported, imported: null };
    const ports = service.ports.filter(({ number }) => this.scope.imports(service, number));
    const none = service.ports.length === 0 ? !this.scope.imports(service, 0) : ports.length === 0;
    if (none) return { rank, service, exported, imported: null };
    if (ports.length === service.ports.length) return { rank, service, exported, imported: service };
    const same =
      before !== null &&
      before.selector === service.selector &&
      before.ports.length === ports.length &&
      ports.every((port, i) => port === before.ports[i]);
    return { rank, service, exported, imported: same ? before : { ...service, ports } };
  }

  /** The proxy's own namespace comes first, then the first by namespace and name; Services before all others. */
  private claimsOf(resource: Resource): Claim[] {
    const { name, namespace, annotations } = resource.metadata;
    if (isKind(resource, 'Service')) {
      const exportTo = annotations?.['networking.istio.io/exportTo']?.split(',').map((to) => to.trim());
      const exported = isVisible(exportTo, namespace, this.node.namespace, this.usual);
      return [this.claimOf(`${DESCRIBED}${namespace}/${name}`, fromService(resource), exported)];
    }
    if (!isKind(resource, 'ServiceEntry')) return [];
    const exported = isVisible(resource.spec.exportTo, namespace, this.node.namespace, this.usual);
    const order = namespace === this.node.namespace ? 1 : 2;
    // Of two hosts in one that are the same, the first counts.
    return fromServiceEntry(resource).map((service, i) =>
      this.claimOf(`${order} ${namespace}/${name} ${String(i).padStart(5, '0')}`, service, exported),
    );
  }

  private claim(claim: Claim): void {
    const { host } = claim.service;
    const before = this.get(host) ?? null;
    const others = (this.claims.get(host) ?? []).filter(({ rank }) => rank !== claim.rank);
    insertByRank(others, claim);
    this.claims.set(host, others.slice());
    this.tell(host, before);
  }

  private withdraw(rank: string, host: string): void {
    const before = this.get(host) ?? null;
    const others = (this.claims.get(host) ?? []).filter((claim) => claim.rank !== rank);
    if (others.length === 0) this.claims.delete(host);
    else this.claims.set(host, others);
    this.tell(host, before);
  }

  private tell(host: string, before: Service | null): void {
    const after = this.get(host) ?? null;
    if (before === after) return;
    this.version++;
    this.changed(host, before, after);
  }
}

/** Before all others: Services. */
const DESCRIBED = '0 ';
/** After whatever a resource says. */
const REGISTERED = '3';

function keyOf({ rank, service }: Claim): string {
  return `${rank} ${service.host}`;
}
