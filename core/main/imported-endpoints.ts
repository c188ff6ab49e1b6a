// Which endpoints a proxy's shards are told of, where a Sidecar leaves services out: those of services that the proxy may call, and
// those by which alone it is known that a service is there. More than that is no fault, less would be.

import { fqdn } from '../config/hosts.ts';
import { isKind } from '../config/is-kind.ts';
import type { Resource } from '../config/resource.ts';
import type { Scope } from '../snapshot/scope.ts';
import { fromServiceEntry, hasLabels } from '../snapshot/services.ts';
import type { WorkloadEndpoint } from '../workload.ts';

type Labels = Readonly<Record<string, string>>;

export class ImportedEndpoints {
  /** Of services of which resources tell: those that may be called, and all. */
  private readonly hosts = new Set<string>();
  private readonly described = new Set<string>();
  /** Of those that may be called, by namespace. */
  private readonly selectors = new Map<string, Labels[]>();
  private readonly mayCall: (host: string, namespace: string) => boolean;

  /** `leads`: may it be called whatever the Sidecar names? */
  constructor(resources: Iterable<Resource>, scope: Scope, leads: (host: string) => boolean) {
    this.mayCall = (host, namespace) => leads(host) || scope.mayImport(host, namespace);
    for (const resource of resources) {
      const { name, namespace } = resource.metadata;
      if (isKind(resource, 'Service')) {
        const host = fqdn(name, namespace);
        this.described.add(host);
        this.add(host, namespace, resource.spec.selector ?? null);
      } else if (isKind(resource, 'ServiceEntry')) {
        for (const { host, selector } of fromServiceEntry(resource)) this.add(host, namespace, selector);
      }
    }
  }

  takes(endpoint: WorkloadEndpoint): boolean {
    const { services, namespace, labels } = endpoint;
    for (const name of services) {
      const host = fqdn(name, namespace);
      // A call to a service that is there, and not for its caller, is answered with that: somebody has to tell of it.
      if (this.hosts.has(host) || !this.described.has(host)) return true;
    }
    return this.selectors.get(namespace)?.some((wanted) => hasLabels(labels, wanted)) === true;
  }

  private add(host: string, namespace: string, selector: Labels | null): void {
    if (!this.mayCall(host, namespace)) return;
    this.hosts.add(host);
    if (selector === null) return;
    const those = this.selectors.get(namespace);
    if (those === undefined) this.selectors.set(namespace, [selector]);
    else those.push(selector);
  }
}
