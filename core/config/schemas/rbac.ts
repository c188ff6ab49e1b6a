// What the kinds of rbac.istio.io have in common: their version, modes, and what a rule allows.

import { nonEmpty, port, quote } from '../formats.ts';
import { array, object, oneOf, optional, partly, type Static, string } from '../schema.ts';

export const RBAC = { group: 'rbac.istio.io', versions: ['v1alpha1'] } as const;

/** PERMISSIVE only observes. */
export const mode = oneOf('ENFORCED', 'PERMISSIVE');

export const patterns = optional(array(nonEmpty));

const CONSTRAINT_KEY =
  /^(?:destination\.(?:ip|port|namespace|user|labels\[[^[\]]+\])|request\.headers\[[^[\]]+\]|connection\.sni|experimental\.envoy\.filters\..+)$/;
const constraintKey = string({
  code: 'enum',
  check: (value) =>
    CONSTRAINT_KEY.test(value)
      ? null
      : `${quote(value)} is no constraint: destination.ip, .port, .namespace, .user, .labels[name], request.headers[name] or connection.sni`,
});

export const AccessRule = object(
  {
    services: patterns,
    hosts: patterns,
    notHosts: patterns,
    paths: patterns,
    notPaths: patterns,
    methods: patterns,
    notMethods: patterns,
    ports: optional(array(port)),
    notPorts: optional(array(port)),
    constraints: optional(
      array(
        partly(object({ key: constraintKey, values: array(nonEmpty, 1) }), ({ key }) =>
          key.startsWith('experimental.') ? `conditions on ${key}` : null,
        ),
      ),
    ),
  },
  { aliases: { not_hosts: 'notHosts', not_paths: 'notPaths', not_methods: 'notMethods', not_ports: 'notPorts' } },
);
export type AccessRule = Static<typeof AccessRule>;
