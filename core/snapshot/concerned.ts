// What a change concerns, gathered before anything is compiled: everybody who asks "what of mine is otherwise?" finds it here.

import { isPattern } from './host-index.ts';
import type { Service } from './services.ts';
import type { Rule } from './virtual-services.ts';

export class Concerned {
  /** Hosts whose services are others, or are shaped otherwise. */
  readonly services = new Set<string>();
  /** Hosts of services that came or went. */
  readonly came = new Set<string>();
  /** Hosts of services that have other members. */
  readonly members = new Set<string>();
  /** Names under which workloads register. */
  readonly registered = new Set<string>();
  /** Rules whose routes are others. */
  readonly rules = new Set<Rule>();
  /** Hosts, and those of rules, whose virtual hosts are to be made anew. */
  readonly hosts = new Set<string>();
  /** By port. */
  readonly domains = new Map<number, Set<string>>();
  /** Of DestinationRules and of VirtualServices: all services that they cover are concerned. */
  private readonly shapingPatterns = new Set<string>();
  private readonly routingPatterns = new Set<string>();

  /** Is there nothing that a snapshot depends on? */
  get none(): boolean {
    return this.services.size + this.rules.size + this.hosts.size + this.domains.size === 0;
  }

  service(host: string, before: Service | null, after: Service | null): void {
    this.services.add(host);
    if (before === null || after === null) this.came.add(host);
  }

  shaped(host: string): void {
    if (isPattern(host)) this.shapingPatterns.add(host);
    this.services.add(host);
  }

  routed(host: string): void {
    if (isPattern(host)) this.routingPatterns.add(host);
    this.hosts.add(host);
  }

  domain(port: number, domain: string): void {
    const known = this.domains.get(port);
    if (known === undefined) this.domains.set(port, new Set([domain]));
    else known.add(domain);
  }

  /** Services that DestinationRules for patterns shape otherwise. */
  *addShaped(services: Iterable<Service>): Iterable<void> {
    yield* addCovered(this.shapingPatterns, services, this.services);
  }

  /** Services whose hosts VirtualServices for patterns route otherwise. */
  *addRouted(services: Iterable<Service>): Iterable<void> {
    yield* addCovered(this.routingPatterns, services, this.hosts);
  }
}

function* addCovered(patterns: Set<string>, services: Iterable<Service>, hosts: Set<string>): Iterable<void> {
  if (patterns.size === 0) return;
  for (const { host } of services) {
    yield;
    if (hosts.has(host)) continue;
    for (let i = isPattern(host) ? 1 : 0; i <= host.length; i++) {
      if (!patterns.has(`*${host.slice(i)}`)) continue;
      hosts.add(host);
      break;
    }
  }
  patterns.clear();
}
