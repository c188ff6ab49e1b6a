// Authorization as Istio wrote it until 1.5 (rbac.istio.io/v1alpha1): roles, their bindings, and where they hold. Nothing is
// allowed that no role allows, where the configuration's mode covers the service.

import { nonEmpty, port, quote, text, texts } from '../formats.ts';
import { isIpOrCidr } from '../hosts.ts';
import type { Kind } from '../kind.ts';
import { array, map, object, oneOf, optional, type Static, string } from '../schema.ts';

const patterns = optional(array(nonEmpty));

const CONSTRAINT_KEY =
  /^(?:destination\.(?:ip|port|namespace|user|labels\[[^[\]]+\])|request\.headers\[[^[\]]+\]|connection\.sni|experimental\.envoy\.filters\..+)$/;
const PROPERTY_KEY =
  /^(?:source\.(?:namespace|principal|ip)|request\.auth\.(?:principal|audiences|presenter|claims(?:\[[^[\]]+\])+)|request\.headers\[[^[\]]+\])$/;

const constraintKey = string({
  code: 'enum',
  check: (value) =>
    CONSTRAINT_KEY.test(value)
      ? null
      : `${quote(value)} is no constraint: destination.ip, .port, .namespace, .user, .labels[name], request.headers[name] or connection.sni`,
});

const propertyKey = {
  code: 'enum',
  check: (value: string) =>
    PROPERTY_KEY.test(value)
      ? null
      : `${quote(value)} is no property: source.namespace, .principal, .ip, request.auth.principal, .audiences, .presenter, .claims[name] or request.headers[name]`,
};

const blocks = optional(
  array(
    string({
      code: 'address',
      check: (value) => (isIpOrCidr(value) ? null : `${quote(value)} is no IP address or CIDR block`),
    }),
  ),
);

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
    constraints: optional(array(object({ key: constraintKey, values: array(nonEmpty, 1) }))),
  },
  { aliases: { not_hosts: 'notHosts', not_paths: 'notPaths', not_methods: 'notMethods', not_ports: 'notPorts' } },
);
export type AccessRule = Static<typeof AccessRule>;

export const ServiceRoleSpec = object({ rules: array(AccessRule, 1) });
export type ServiceRoleSpec = Static<typeof ServiceRoleSpec>;

export const Subject = object(
  {
    /** '*' = everybody. */
    user: optional(nonEmpty),
    names: patterns,
    notNames: patterns,
    group: optional(nonEmpty),
    groups: patterns,
    notGroups: patterns,
    namespaces: patterns,
    notNamespaces: patterns,
    ips: blocks,
    notIps: blocks,
    properties: optional(map(text, propertyKey)),
  },
  {
    atMostOne: [
      ['user', 'names'],
      ['group', 'groups'],
    ],
    aliases: {
      not_names: 'notNames',
      not_groups: 'notGroups',
      not_namespaces: 'notNamespaces',
      not_ips: 'notIps',
    },
    check(subject, report) {
      if (Object.keys(subject).length === 0)
        report.error([], 'required', "a subject needs at least one condition: user '*' is everybody");
    },
  },
);
export type Subject = Static<typeof Subject>;

const mode = oneOf('ENFORCED', 'PERMISSIVE');

export const ServiceRoleBindingSpec = object(
  {
    subjects: array(Subject, 1),
    roleRef: optional(object({ kind: oneOf('ServiceRole'), name: nonEmpty }, { ignore: ['apiGroup'] })),
    /** Left out: ENFORCED. PERMISSIVE only observes. */
    mode: optional(mode),
    actions: optional(array(AccessRule, 1)),
    role: optional(nonEmpty),
  },
  { exactlyOne: [['roleRef', 'actions', 'role']], aliases: { role_ref: 'roleRef' } },
);
export type ServiceRoleBindingSpec = Static<typeof ServiceRoleBindingSpec>;

const Target = object({ services: optional(texts), namespaces: optional(texts) });

export const RbacConfigSpec = object(
  {
    /** Left out: OFF. */
    mode: optional(oneOf('OFF', 'ON', 'ON_WITH_INCLUSION', 'ON_WITH_EXCLUSION')),
    inclusion: optional(Target),
    exclusion: optional(Target),
    enforcementMode: optional(mode),
  },
  {
    aliases: { enforcement_mode: 'enforcementMode' },
    check(spec, report) {
      if (spec.mode === 'ON_WITH_INCLUSION' && !spec.inclusion) {
        report.error([], 'required', 'mode ON_WITH_INCLUSION needs inclusion');
      }
      if (spec.mode === 'ON_WITH_EXCLUSION' && !spec.exclusion) {
        report.error([], 'required', 'mode ON_WITH_EXCLUSION needs exclusion');
      }
    },
  },
);
export type RbacConfigSpec = Static<typeof RbacConfigSpec>;

const group = { group: 'rbac.istio.io', versions: ['v1alpha1'] } as const;

export const serviceRole: Kind = { kind: 'ServiceRole', ...group, scope: 'namespace', spec: ServiceRoleSpec };

export const serviceRoleBinding: Kind = {
  kind: 'ServiceRoleBinding',
  ...group,
  scope: 'namespace',
  spec: ServiceRoleBindingSpec,
};

/** One a mesh, named 'default'. */
export const rbacConfig: Kind = {
  kind: 'RbacConfig',
  ...group,
  scope: 'namespace',
  names: ['default'],
  spec: RbacConfigSpec,
};

export const clusterRbacConfig: Kind = {
  kind: 'ClusterRbacConfig',
  ...group,
  scope: 'cluster',
  names: ['default'],
  spec: RbacConfigSpec,
};
