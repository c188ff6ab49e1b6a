// ServiceRoleBinding of Istio before 1.6: who has a role.

import { nonEmpty, quote, text } from '../formats.ts';
import { isIpOrCidr } from '../hosts.ts';
import { defineKind, notFound } from '../kind.ts';
import { array, informative, map, object, oneOf, optional, type Static, string } from '../schema.ts';
import { AccessRule, mode, patterns, RBAC } from '../schemas/rbac.ts';
import { serviceRole } from './service-role.ts';

const PROPERTY_KEY =
  /^(?:source\.(?:namespace|principal|ip)|request\.auth\.(?:principal|audiences|presenter|claims(?:\[[^[\]]+\])+)|request\.headers\[[^[\]]+\])$/;

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

export const ServiceRoleBindingSpec = object(
  {
    subjects: array(Subject, 1),
    roleRef: optional(object({ kind: informative(oneOf('ServiceRole')), name: nonEmpty }, { ignore: ['apiGroup'] })),
    /** Left out: ENFORCED. PERMISSIVE only observes. */
    mode: optional(mode),
    actions: optional(array(AccessRule, 1)),
    role: optional(nonEmpty),
  },
  { exactlyOne: [['roleRef', 'actions', 'role']], aliases: { role_ref: 'roleRef' } },
);
export type ServiceRoleBindingSpec = Static<typeof ServiceRoleBindingSpec>;

export const serviceRoleBinding = defineKind({
  name: 'ServiceRoleBinding',
  ...RBAC,
  scope: 'namespace',
  spec: ServiceRoleBindingSpec,
  references({ metadata, spec: { roleRef, role } }, inventory, warn) {
    const wanted = roleRef?.name ?? role;
    if (wanted === undefined || inventory.get(serviceRole, metadata.namespace, wanted) !== null) return;
    const path = roleRef === undefined ? ['spec', 'role'] : ['spec', 'roleRef', 'name'];
    warn('IST0101', path, notFound('ServiceRole', wanted));
  },
});
