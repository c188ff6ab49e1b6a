// PeerAuthentication: whether a workload takes mutual TLS, plain text or both. Port before workload before namespace before
// mesh; UNSET inherits.

import { defineKind } from '../kind.ts';
import { map, object, oneOf, optional, type Static } from '../schema.ts';
import { MatchLabels } from '../schemas/selectors.ts';

const MutualTLS = object({ mode: optional(oneOf('UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT')) });

const portNumber = {
  code: 'range',
  check: (value: string) =>
    /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65535
      ? null
      : `${JSON.stringify(value)} is no port: a number from 1 to 65535`,
};

export const PeerAuthenticationSpec = object(
  {
    selector: optional(MatchLabels),
    mtls: optional(MutualTLS),
    portLevelMtls: optional(map(MutualTLS, portNumber)),
  },
  {
    check(spec, report) {
      if (!spec.portLevelMtls) return;
      if (Object.keys(spec.portLevelMtls).length === 0) report.error(['portLevelMtls'], 'empty', 'must not be empty');
      if (Object.keys(spec.selector?.matchLabels ?? {}).length === 0) {
        report.error(['portLevelMtls'], 'contradiction', 'portLevelMtls needs a selector: ports belong to workloads');
      }
    },
  },
);
export type PeerAuthenticationSpec = Static<typeof PeerAuthenticationSpec>;

export const peerAuthentication = defineKind({
  name: 'PeerAuthentication',
  shortNames: ['pa'],
  group: 'security.istio.io',
  versions: ['v1', 'v1beta1'],
  scope: 'namespace',
  spec: PeerAuthenticationSpec,
});
