// Which workloads a policy is for: those that its selector or its targets name. And whether it is only tried there.

import type { Node } from '../workload.ts';
import type { Resource } from './resource.ts';
import type { PolicyTargetReference } from './schemas/selectors.ts';

export interface Attached {
  readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly targetRef?: PolicyTargetReference;
  readonly targetRefs?: readonly PolicyTargetReference[];
}

/** Policies and plugins in it are for every namespace. */
export const ROOT_NAMESPACE = 'istio-system';

/** An annotation: the policy is evaluated and logged, and decides nothing. */
export const DRY_RUN = 'istio.io/dry-run';

/** In its own namespace, or mesh-wide from the root namespace; for the workloads that it selects or that its targets name. */
export function appliesTo({ metadata, spec }: Resource<Attached>, node: Node): boolean {
  const local = metadata.namespace === node.namespace;
  if (!local && metadata.namespace !== ROOT_NAMESPACE) return false;
  const targets = [...(spec.targetRefs ?? []), ...(spec.targetRef === undefined ? [] : [spec.targetRef])];
  if (targets.length > 0) return targets.some((target) => names(target, metadata.namespace, local, node));
  const labels = Object.entries(spec.selector?.matchLabels ?? {});
  return labels.every(([name, value]) => node.labels[name] === value);
}

function names(
  { group, kind, name, namespace: own }: PolicyTargetReference,
  namespace: string,
  local: boolean,
  node: Node,
): boolean {
  switch (`${group || 'core'}/${kind}`) {
    case 'gateway.networking.k8s.io/GatewayClass':
      return node.role === 'gateway';
    case 'gateway.networking.k8s.io/Gateway': {
      const gateway = node.labels['gateway.networking.k8s.io/gateway-name'] ?? node.workload;
      return node.role === 'gateway' && local && gateway === name;
    }
    case 'core/Service': {
      const host = `${name}.${own || namespace}`;
      return node.services.some((service) => {
        const full = service.includes('.') ? service : `${service}.${node.namespace}`;
        return full === host || full.startsWith(`${host}.`);
      });
    }
    default:
      return false;
  }
}
