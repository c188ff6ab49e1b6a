// The Gateway API's Gateway (gateway.networking.k8s.io): the listeners of a gateway. Istio's kind of the same name is in gateway.ts.

import { labels, nonEmpty, port, text, wildcardHost } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { array, map, notEnforced, object, oneOf, optional, type Static, string } from '../schema.ts';
import { GATEWAY_API } from '../schemas/gateway-api.ts';

const Expression = object({
  key: nonEmpty,
  operator: oneOf('In', 'NotIn', 'Exists', 'DoesNotExist'),
  values: optional(array(text)),
});

const GatewayListener = object({
  name: nonEmpty,
  hostname: optional(wildcardHost),
  port,
  protocol: string({
    code: 'enum',
    // Implementations may define protocols of their own, written 'example.com/name'.
    check: (value) =>
      ['HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP'].includes(value) || value.includes('/')
        ? null
        : `${JSON.stringify(value)} is no protocol: HTTP, HTTPS, TLS, TCP or UDP`,
  }),
  tls: optional(
    object(
      {
        mode: optional(oneOf('Terminate', 'Passthrough')),
        certificateRefs: optional(
          array(object({ group: optional(text), kind: optional(text), name: nonEmpty, namespace: optional(text) })),
        ),
        options: optional(map(text)),
      },
      { ignore: ['frontendValidation'] },
    ),
  ),
  allowedRoutes: optional(
    object({
      namespaces: optional(
        object({
          from: optional(oneOf('All', 'Selector', 'Same', 'None')),
          selector: optional(object({ matchLabels: optional(labels), matchExpressions: optional(array(Expression)) })),
        }),
      ),
      kinds: optional(array(object({ group: optional(text), kind: nonEmpty }))),
    }),
  ),
});

export const GatewayApiGatewaySpec = object(
  {
    gatewayClassName: nonEmpty,
    listeners: array(GatewayListener, 1),
    addresses: optional(array(object({ type: optional(text), value: optional(text) }))),
    infrastructure: optional(
      object({ labels: optional(labels), annotations: optional(map(text)) }, { ignore: ['parametersRef'] }),
    ),
  },
  {
    ignore: ['backendTLS', 'allowedListeners', 'tls', 'defaultScope'],
    check(spec, report) {
      const names = new Set<string>();
      spec.listeners.forEach(({ name }, i) => {
        if (names.has(name))
          report.error(['listeners', i, 'name'], 'duplicate', `the listener ${JSON.stringify(name)} is defined twice`);
        names.add(name);
      });
    },
  },
);
export type GatewayApiGatewaySpec = Static<typeof GatewayApiGatewaySpec>;

export const gatewayApiGateway = defineKind({
  name: 'Gateway.gateway.networking.k8s.io',
  shortNames: ['gtw'],
  ...GATEWAY_API,
  scope: 'namespace',
  spec: notEnforced(GatewayApiGatewaySpec),
});
