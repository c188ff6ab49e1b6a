// Which of all workloads may belong to a service, found by its name or by one label of its selector: looking at every
// workload for every service would hold a shard for as long as a large mesh is large twice over.

import { fqdn } from '../config/hosts.ts';
import type { WorkloadEndpoint } from '../workload.ts';
import type { Service } from './services.ts';

export class Members {
  private readonly byHost = new Map<string, WorkloadEndpoint[]>();
  /** 'namespace key=value'; the namespace alone for selectors that name no label. */
  private readonly byLabel = new Map<string, WorkloadEndpoint[]>();
  private readonly found = new Map<Service, readonly WorkloadEndpoint[]>();

  constructor(endpoints: readonly WorkloadEndpoint[]) {
    for (const endpoint of endpoints) {
      const { namespace } = endpoint;
      for (const name of endpoint.services) put(this.byHost, fqdn(name, namespace), endpoint);
      put(this.byLabel, namespace, endpoint);
      for (const [key, value] of Object.entries(endpoint.labels)) {
        put(this.byLabel, `${namespace} ${key}=${value}`, endpoint);
      }
    }
  }

  /** Every workload that `servesPort` may be true of, and few others. */
  of(service: Service): readonly WorkloadEndpoint[] {
    let members = this.found.get(service);
    if (members === undefined) {
      members = [...new Set([...(this.byHost.get(service.host) ?? []), ...this.selected(service)])];
      this.found.set(service, members);
    }
    return members;
  }

  private selected({ selector, namespace }: Service): readonly WorkloadEndpoint[] {
    if (selector === null) return [];
    const label = Object.entries(selector)[0];
    return this.byLabel.get(label === undefined ? namespace : `${namespace} ${label[0]}=${label[1]}`) ?? [];
  }
}

function put(table: Map<string, WorkloadEndpoint[]>, key: string, endpoint: WorkloadEndpoint): void {
  const known = table.get(key);
  if (known === undefined) table.set(key, [endpoint]);
  else known.push(endpoint);
}
