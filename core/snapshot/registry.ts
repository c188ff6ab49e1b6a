// The registry: which services this proxy sees, by full host name. Of several that say that they are the host, one counts; who
// else does is remembered, for when that one goes.

import { isKind } from '../config/is-kind.ts';
import type { Resource } from '../config/resource.ts';
import { isVisible } from '../config/visibility.ts';
import type { Node } from '../workload.ts';
import { fromService, fromServiceEntry, type Service, type Services } from './services.ts';
import { insertByRank } from './sorted-list.ts';

/** A service, and who says so: the one of the lowest rank counts. */
interface Claim {
  readonly rank: string;
  readonly service: Service;
}

/** How a host's service is otherwise: null is none. */
export type ServiceChanged = (host: string, before: Service | null, after: Service | null) => void;

export class ServiceRegistry implements Services {
  /** Another one whenever some service is another one. */
  version = 0;
  private readonly node: Node;
  private readonly changed: ServiceChanged;
  /** By rank. */
  private readonly claims = new Map<string, Claim[]>();

  constructor(node: Node, changed: ServiceChanged) {
    this.node = node;
    this.changed = changed;
  }

  get(host: string): Service | undefined {
    return this.claims.get(host)?.[0].service;
  }

  has(host: string): boolean {
    return this.claims.has(host);
  }

  *values(): Iterable<Service> {
    for (const [{ service }] of this.claims.values()) yield service;
  }

  /** '' = there is none. */
  rankOf(host: string): string {
    return this.claims.get(host)?.[0].rank ?? '';
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
    else this.claim({ rank: REGISTERED, service });
  }

  /** As workloads registered it. */
  registered(host: string): Service | null {
    return this.claims.get(host)?.find(({ rank }) => rank === REGISTERED)?.service ?? null;
  }

  /** The proxy's own namespace comes first, then the first by namespace and name; Services before all others. */
  private claimsOf(resource: Resource): Claim[] {
    const { name, namespace, annotations } = resource.metadata;
    if (isKind(resource, 'Service')) {
      const exportTo = annotations?.['networking.istio.io/exportTo']?.split(',').map((to) => to.trim());
      if (!isVisible(exportTo, namespace, this.node.namespace)) return [];
      return [{ rank: `0 ${namespace}/${name}`, service: fromService(resource) }];
    }
    if (!isKind(resource, 'ServiceEntry') || !isVisible(resource.spec.exportTo, namespace, this.node.namespace))
      return [];
    const order = namespace === this.node.namespace ? 1 : 2;
    // Of two hosts in one that are the same, the first counts.
    return fromServiceEntry(resource).map((service, i) => ({
      rank: `${order} ${namespace}/${name} ${String(i).padStart(5, '0')}`,
      service,
    }));
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

/** After whatever a resource says. */
const REGISTERED = '3';

function keyOf({ rank, service }: Claim): string {
  return `${rank} ${service.host}`;
}
