// Which of all workloads belong to a service, and to which services a workload belongs: found by names and by one label of a
// selector, for looking at every workload for every service would take as long as a large mesh is large twice over.

import { fqdn } from '../config/hosts.ts';
import type { WorkloadEndpoint } from '../workload.ts';
import type { Service } from './services.ts';

/** A workload's endpoint, and its place among those of a service: the order is the same on every proxy. */
export interface Member {
  readonly rank: string;
  readonly workload: WorkloadEndpoint;
}

interface Group {
  members: Member[];
  inOrder: boolean;
}

export class Members {
  private readonly byHost = new Map<string, Group>();
  /** 'namespace key=value', of the labels that a selector asks for first. */
  private readonly byLabel = new Map<string, Group>();
  private readonly byNamespace = new Map<string, Set<Member>>();
  /** Hosts of services by where their members are found: as in `byLabel`, or a namespace alone. */
  private readonly selecting = new Map<string, Set<string>>();
  /** 'namespace key': labels that are asked for, or were. */
  private readonly keys = new Set<string>();
  private readonly unindexed: (readonly [namespace: string, key: string])[] = [];

  add(member: Member): void {
    const { namespace } = member.workload;
    for (const host of namesOf(member)) put(this.byHost, host, member);
    for (const place of this.placesOf(member)) put(this.byLabel, place, member);
    const those = this.byNamespace.get(namespace);
    if (those === undefined) this.byNamespace.set(namespace, new Set([member]));
    else those.add(member);
  }

  remove(member: Member): void {
    const { namespace } = member.workload;
    for (const host of namesOf(member)) take(this.byHost, host, member);
    for (const place of this.placesOf(member)) take(this.byLabel, place, member);
    const those = this.byNamespace.get(namespace);
    those?.delete(member);
    if (those?.size === 0) this.byNamespace.delete(namespace);
  }

  /** Hosts of services that it belongs to, and of few others. */
  *hostsOf(member: Member): Iterable<string> {
    yield* namesOf(member);
    for (const place of this.placesOf(member)) yield* this.selecting.get(place) ?? [];
    yield* this.selecting.get(member.workload.namespace) ?? [];
  }

  /** From now on this service's selector is the one that counts for its host, and the one before is not. */
  select(before: Service | null, after: Service | null): void {
    if (before !== null && before.selector !== null) {
      const place = placeOf(before, before.selector);
      const hosts = this.selecting.get(place);
      hosts?.delete(before.host);
      if (hosts?.size === 0) this.selecting.delete(place);
    }
    if (after === null || after.selector === null) return;
    const place = placeOf(after, after.selector);
    const hosts = this.selecting.get(place);
    if (hosts === undefined) this.selecting.set(place, new Set([after.host]));
    else hosts.add(after.host);
    const [key] = Object.keys(after.selector);
    if (key !== undefined && !this.keys.has(`${after.namespace} ${key}`)) this.unindexed.push([after.namespace, key]);
  }

  /** Finds who has the labels that a selector asked for first. To be run after `select`, before anybody asks for members. */
  *index(): Iterable<void> {
    for (const [namespace, key] of this.unindexed.splice(0)) {
      if (this.keys.has(`${namespace} ${key}`)) continue;
      this.keys.add(`${namespace} ${key}`);
      for (const member of this.byNamespace.get(namespace) ?? []) {
        const value = member.workload.labels[key];
        if (value !== undefined) put(this.byLabel, `${namespace} ${key}=${value}`, member);
        yield;
      }
    }
  }

  /** Those that registered by this name. */
  registered(host: string): readonly WorkloadEndpoint[] {
    return sorted(this.byHost.get(host)).map(({ workload }) => workload);
  }

  /** Every workload that `servesPort` may be true of, and few others. */
  of(service: Service): readonly WorkloadEndpoint[] {
    const named = sorted(this.byHost.get(service.host));
    const selected = this.selected(service);
    const all = selected.length === 0 ? named : named.length === 0 ? selected : [...new Set([...named, ...selected])];
    return all.map(({ workload }) => workload);
  }

  private selected(service: Service): readonly Member[] {
    const { selector, namespace } = service;
    if (selector === null) return [];
    if (Object.keys(selector).length > 0) return sorted(this.byLabel.get(placeOf(service, selector)));
    return [...(this.byNamespace.get(namespace) ?? [])].sort(byRank);
  }

  private placesOf({ workload }: Member): string[] {
    const { namespace, labels } = workload;
    return Object.entries(labels).flatMap(([key, value]) =>
      this.keys.has(`${namespace} ${key}`) ? `${namespace} ${key}=${value}` : [],
    );
  }
}

function namesOf({ workload: { services, namespace } }: Member): Iterable<string> {
  if (services.length === 1) return [fqdn(services[0], namespace)];
  return new Set(services.map((name) => fqdn(name, namespace)));
}

function placeOf({ namespace }: Service, selector: Readonly<Record<string, string>>): string {
  const [key] = Object.keys(selector);
  return key === undefined ? namespace : `${namespace} ${key}=${selector[key]}`;
}

function put(table: Map<string, Group>, key: string, member: Member): void {
  const group = table.get(key);
  if (group === undefined) {
    table.set(key, { members: [member], inOrder: true });
    return;
  }
  const { members } = group;
  group.inOrder &&= members.length === 0 || members[members.length - 1].rank <= member.rank;
  members.push(member);
}

function take(table: Map<string, Group>, key: string, member: Member): void {
  const group = table.get(key);
  if (group === undefined) return;
  const at = group.members.indexOf(member);
  if (at < 0) return;
  group.members.splice(at, 1);
  if (group.members.length === 0) table.delete(key);
}

function sorted(group: Group | undefined): readonly Member[] {
  if (group === undefined) return [];
  if (!group.inOrder) {
    group.members.sort(byRank);
    group.inOrder = true;
  }
  return group.members;
}

function byRank(a: Member, b: Member): number {
  return a.rank < b.rank ? -1 : a.rank > b.rank ? 1 : 0;
}
