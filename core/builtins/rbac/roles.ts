// ServiceRole, ServiceRoleBinding and (Cluster)RbacConfig of Istio before 1.6 -> policies of the rbac filter. Where the
// configuration's mode covers a workload, what no bound role allows is denied. What is known of the workload (its services,
// labels, namespace, account) is decided here; what the request tells is left to the filter.

import { ROOT_NAMESPACE } from '../../config/attachment.ts';
import { fqdn } from '../../config/hosts.ts';
import type { KindName } from '../../config/kind-names.ts';
import type { RbacConfigSpec } from '../../config/kinds/rbac-config.ts';
import type { ServiceSpec } from '../../config/kinds/service.ts';
import type { ServiceRoleBindingSpec, Subject } from '../../config/kinds/service-role-binding.ts';
import type { Resource } from '../../config/resource.ts';
import type { AccessRule } from '../../config/schemas/rbac.ts';
import type { Node } from '../../workload.ts';
import type { Policies } from '../builtin.ts';
import { type Compiled, conditionMatches, operationMatches, type Scope, settle, sourceMatches } from './conditions.ts';
import type { Conjunction, EncodedPolicy, EncodedRule } from './encoding.ts';
import { trustDomainsOf } from './trust-domains.ts';

export const ROLE_KINDS: readonly KindName[] = [
  'ServiceRole',
  'ServiceRoleBinding',
  'RbacConfig',
  'ClusterRbacConfig',
  'Service',
];

export interface RoleRules {
  /** Policies of which one has to allow a request; none: nothing is enforced. */
  readonly enforced: readonly EncodedPolicy[];
  /** Policies that are only tried. */
  readonly permissive: readonly EncodedPolicy[];
}

type Binding = Resource<ServiceRoleBindingSpec>;

/** Null where the mode does not cover this workload. Gateways it never covers: roles are about services. */
export function roleRules(policies: Policies, node: Node): RoleRules | null {
  const config = configOf(policies);
  if (config === undefined || node.role === 'gateway') return null;
  const services = servicesOf(node, policies('Service'));
  if (!covers(config, node.namespace, services)) return null;
  const trustDomains = trustDomainsOf(node, policies('MeshConfig'));
  const scope: Scope = { allows: true, namespace: node.namespace, node, trustDomains };
  const bindings = policies('ServiceRoleBinding').filter(({ metadata }) => metadata.namespace === node.namespace);
  const permitted = (mode: string): EncodedPolicy[] => {
    const those = bindings.filter(({ spec }) => (spec.mode ?? 'ENFORCED') === mode);
    return those.length === 0 ? [] : policiesOf(those, policies, services, scope);
  };
  const enforced = permitted('ENFORCED');
  const permissive = permitted('PERMISSIVE');
  const nothing = { name: `ns[${node.namespace}]-policy[none]`, rules: [] };
  if (config.enforcementMode === 'PERMISSIVE')
    return { enforced: [], permissive: [nothing, ...enforced, ...permissive] };
  return { enforced: [nothing, ...enforced], permissive };
}

/** One for the mesh. An RbacConfig of some namespace must not take the place of the root namespace's. */
function configOf(policies: Policies): RbacConfigSpec | undefined {
  const old = policies('RbacConfig');
  const root = old.find(({ metadata }) => metadata.namespace === ROOT_NAMESPACE);
  return (policies('ClusterRbacConfig').at(0) ?? root ?? old.at(0))?.spec;
}

function covers(config: RbacConfigSpec, namespace: string, services: readonly string[]): boolean {
  const named = ({ namespaces, services: names }: NonNullable<RbacConfigSpec['inclusion']> = {}) => ({
    namespace: namespaces?.includes(namespace) === true,
    services: services.filter((service) => names?.some((name) => fqdn(name, namespace) === service)),
  });
  switch (config.mode) {
    case 'ON':
      return true;
    case 'ON_WITH_INCLUSION': {
      const included = named(config.inclusion);
      return included.namespace || included.services.length > 0;
    }
    case 'ON_WITH_EXCLUSION': {
      // A workload of several services is spared only if all of them are.
      const excluded = named(config.exclusion);
      return !excluded.namespace && (services.length === 0 || excluded.services.length < services.length);
    }
    default:
      return false;
  }
}

/** Full names of the services that lead here: those it registers for, and those that select it. */
function servicesOf(node: Node, services: readonly Resource<ServiceSpec>[]): string[] {
  const names = node.services.map((name) => fqdn(name, node.namespace));
  for (const { metadata, spec } of services) {
    const selector = Object.entries(spec.selector ?? {});
    if (metadata.namespace !== node.namespace || selector.length === 0) continue;
    if (selector.every(([label, value]) => node.labels[label] === value)) {
      names.push(fqdn(metadata.name, metadata.namespace));
    }
  }
  return [...new Set(names)];
}

/** One policy a role, and one for each binding that lists its actions itself. */
function policiesOf(
  bindings: readonly Binding[],
  policies: Policies,
  services: readonly string[],
  scope: Scope,
): EncodedPolicy[] {
  const { namespace } = scope;
  const encoded: EncodedPolicy[] = [];
  const add = (name: string, rules: readonly AccessRule[], bound: readonly Binding[]): void => {
    const compiled = bound.flatMap(({ spec }) => rulesOf(rules, spec.subjects, services, scope));
    if (compiled.length > 0) encoded.push({ name: `ns[${namespace}]-policy[${name}]`, rules: compiled });
  };
  for (const role of policies('ServiceRole')) {
    if (role.metadata.namespace !== namespace) continue;
    const { name } = role.metadata;
    add(
      name,
      role.spec.rules,
      bindings.filter(({ spec }) => (spec.roleRef?.name ?? spec.role) === name),
    );
  }
  for (const binding of bindings) add(binding.metadata.name, binding.spec.actions ?? [], [binding]);
  return encoded;
}

function rulesOf(
  rules: readonly AccessRule[],
  subjects: readonly Subject[],
  services: readonly string[],
  scope: Scope,
): EncodedRule[] {
  const sources = subjects.map((subject) => settle(subjectMatches(subject, scope), scope));
  const possible = sources.filter((source) => source !== null);
  if (possible.length === 0) return [];
  return rules.flatMap((rule, index) => {
    const operation = accessMatches(rule, services, scope);
    return operation === null ? [] : [{ index, sources: possible, operations: [operation], when: [] }];
  });
}

/** Null: the rule is about other services or workloads, or about what is not known. */
function accessMatches(rule: AccessRule, services: readonly string[], scope: Scope): Conjunction | null {
  const { services: wanted, hosts, notHosts, paths, notPaths, methods, notMethods, constraints = [] } = rule;
  const about = (one: string): boolean =>
    one === '*' || services.some((name) => fits(fqdn(one, scope.namespace), name));
  if (wanted !== undefined && !wanted.some(about)) return null;
  const ports = rule.ports?.map(String);
  const notPorts = rule.notPorts?.map(String);
  const matches = operationMatches({ hosts, notHosts, paths, notPaths, methods, notMethods, ports, notPorts });
  for (const { key, values } of constraints) {
    const known = ofWorkload(key, scope.node);
    if (known === undefined) matches.push(...conditionMatches({ key, values }, scope));
    else if (known === null || !values.some((value) => fits(value, known))) return null;
  }
  return settle(matches, scope);
}

/** What a constraint asks about the workload itself; null: it has no such label; undefined: it is about the request. */
function ofWorkload(key: string, { namespace, serviceAccount, labels }: Node): string | null | undefined {
  const label = /^destination\.labels\[(.+)\]$/.exec(key)?.[1];
  if (label !== undefined) return Object.hasOwn(labels, label) ? labels[label] : null;
  if (key === 'destination.namespace') return namespace;
  return key === 'destination.user' ? serviceAccount : undefined;
}

function subjectMatches(subject: Subject, scope: Scope): Compiled[] {
  const { user, names, notNames, group, groups, notGroups, namespaces, notNamespaces, ips, notIps } = subject;
  const users = user === undefined ? names : [user];
  const inGroups = group === undefined ? groups : [group];
  return [
    ...sourceMatches(
      {
        // Everybody, known or not.
        principals: users?.includes('*') ? undefined : users,
        notPrincipals: notNames,
        namespaces,
        notNamespaces,
        ipBlocks: ips,
        notIpBlocks: notIps,
      },
      scope,
    ),
    ...conditionMatches({ key: 'request.auth.claims[groups]', values: inGroups, notValues: notGroups }, scope),
    ...Object.entries(subject.properties ?? {}).flatMap(([key, value]) =>
      conditionMatches({ key, values: [value] }, scope),
    ),
  ];
}

/** exact, prefix*, *suffix, * */
function fits(pattern: string, text: string): boolean {
  if (pattern === '*') return true;
  if (pattern.endsWith('*')) return text.startsWith(pattern.slice(0, -1));
  if (pattern.startsWith('*')) return text.endsWith(pattern.slice(1));
  return pattern === text;
}
