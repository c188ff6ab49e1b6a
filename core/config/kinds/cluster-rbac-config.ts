// ClusterRbacConfig of Istio before 1.6: what an RbacConfig says, in the place of one.

import { defineKind } from '../kind.ts';
import { RBAC } from '../schemas/rbac.ts';
import { RbacConfigSpec } from './rbac-config.ts';

export const clusterRbacConfig = defineKind({
  name: 'ClusterRbacConfig',
  ...RBAC,
  scope: 'cluster',
  names: ['default'],
  spec: RbacConfigSpec,
});
