// ServiceRole of Istio before 1.6 (rbac.istio.io/v1alpha1): what may be done, by whom a ServiceRoleBinding names. Nothing is
// allowed that no role allows, where the mode of the ClusterRbacConfig covers the service.

import { defineKind } from '../kind.ts';
import { array, object, type Static } from '../schema.ts';
import { AccessRule, RBAC } from '../schemas/rbac.ts';

export const ServiceRoleSpec = object({ rules: array(AccessRule, 1) });
export type ServiceRoleSpec = Static<typeof ServiceRoleSpec>;

export const serviceRole = defineKind({ name: 'ServiceRole', ...RBAC, scope: 'namespace', spec: ServiceRoleSpec });
