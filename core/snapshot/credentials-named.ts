// Which keys and certificates a proxy needs by the configuration: what its Gateways' servers show and believe, and what DestinationRules
// show and believe towards services. The control plane gives a secret to whom this names it for.

import { isKind } from '../config/is-kind.ts';
import type { DestinationRuleSpec, TrafficPolicy } from '../config/kinds/destination-rule.ts';
import type { Resource } from '../config/resource.ts';
import { isVisible } from '../config/visibility.ts';
import type { CredentialRef } from '../credential.ts';
import type { Node } from '../workload.ts';
import { secretsOf } from './cluster-tls.ts';
import { hasLabels } from './services.ts';
import { MESH_ROOTS, TlsServers, WORKLOAD } from './tls-servers.ts';

export interface NamedCredential extends CredentialRef {
  /** What does not happen where it is not there, for people. */
  readonly without: string;
}

type Rule = Resource<DestinationRuleSpec>;
/** All that is asked of a proxy. */
export type AskingNode = Pick<Node, 'role' | 'namespace' | 'labels'>;

/** By name. */
export function credentialsNamed(node: AskingNode, resources: Iterable<Resource>): Map<string, NamedCredential> {
  const named = new Map<string, NamedCredential>();
  const add = (ref: CredentialRef, without: string): void => {
    if (!named.has(ref.name)) named.set(ref.name, { ...ref, without });
  };
  const servers = new TlsServers(node);
  const rules: Rule[] = [];
  let usual: readonly string[] | undefined;
  for (const resource of resources) {
    if (isKind(resource, 'MeshConfig')) usual = resource.spec.defaultDestinationRuleExportTo;
    if (isKind(resource, 'DestinationRule')) rules.push(resource);
    else if (node.role === 'gateway' && isKind(resource, 'Gateway')) servers.replace(null, resource);
  }
  for (const { servers: ended } of servers.ports.values()) {
    for (const { server } of ended) {
      for (const ref of [...server.pairs, ...server.trust]) {
        if (ref !== WORKLOAD && ref !== MESH_ROOTS) add(ref, `${server.label} takes no handshake`);
      }
    }
  }
  for (const rule of rules) {
    if (!hasSecretsOf(node, rule, usual)) continue;
    const { metadata, spec } = rule;
    const policies = [spec.trafficPolicy, ...(spec.subsets ?? []).map(({ trafficPolicy }) => trafficPolicy)];
    for (const ref of policies.flatMap(secretsIn)) {
      add(ref, `DestinationRule ${metadata.namespace}/${metadata.name} sends nothing`);
    }
  }
  return named;
}

/** As in Istio, gateways have what rules name that they see, and sidecars what those name that select them. */
function hasSecretsOf(
  node: AskingNode,
  { metadata: { namespace }, spec }: Rule,
  usual: readonly string[] | undefined,
): boolean {
  const { workloadSelector, exportTo } = spec;
  if (workloadSelector === undefined) {
    return node.role === 'gateway' && isVisible(exportTo, namespace, node.namespace, usual);
  }
  return namespace === node.namespace && hasLabels(node.labels, workloadSelector.matchLabels ?? {});
}

function secretsIn(policy: TrafficPolicy | undefined): CredentialRef[] {
  return [policy, ...(policy?.portLevelSettings ?? [])].flatMap((level) => {
    const { pair = null, trust = null } = (level?.tls && secretsOf(level.tls)) ?? {};
    return [pair, trust].filter((ref) => ref !== null);
  });
}
