// Which PeerAuthentication holds for a workload: its port's mode before its own, before its namespace's, before the mesh's. UNSET
// inherits, and where nobody says anything both mutual TLS and plain text are taken.

import { ROOT_NAMESPACE } from '../config/attachment.ts';
import type { PeerAuthenticationSpec } from '../config/kinds/peer-authentication.ts';
import type { Resource } from '../config/resource.ts';
import type { MtlsMode } from '../transport/listener-spec.ts';
import type { Node } from '../workload.ts';
import { hasLabels } from './services.ts';

type Rule = Resource<PeerAuthenticationSpec>;

/** At the application's port. */
export function mtlsMode(rules: readonly Rule[], { namespace, labels, app }: Node): MtlsMode {
  const selecting = ({ spec }: Rule): boolean => Object.keys(spec.selector?.matchLabels ?? {}).length > 0;
  const own = rules.filter(
    (rule) =>
      rule.metadata.namespace === namespace &&
      selecting(rule) &&
      hasLabels(labels, rule.spec.selector?.matchLabels ?? {}),
  );
  const wide = (of: string) => rules.filter((rule) => rule.metadata.namespace === of && !selecting(rule));
  const workload = first(own);
  return (
    set(workload?.spec.portLevelMtls?.[String(app?.port ?? '')]?.mode) ??
    set(workload?.spec.mtls?.mode) ??
    set(first(wide(namespace))?.spec.mtls?.mode) ??
    set(first(wide(ROOT_NAMESPACE))?.spec.mtls?.mode) ??
    'PERMISSIVE'
  );
}

function set(mode: MtlsMode | 'UNSET' | undefined): MtlsMode | undefined {
  return mode === 'UNSET' ? undefined : mode;
}

/** Of several of one scope one counts, by name. */
function first(rules: readonly Rule[]): Rule | undefined {
  return rules.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))[0];
}
