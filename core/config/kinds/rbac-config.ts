// RbacConfig of Istio before 1.6: where roles count. There is one a mesh, named 'default'.

import { texts } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { object, oneOf, optional, type Static } from '../schema.ts';
import { mode, RBAC } from '../schemas/rbac.ts';

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

export const rbacConfig = defineKind({
  name: 'RbacConfig',
  ...RBAC,
  scope: 'namespace',
  names: ['default'],
  spec: RbacConfigSpec,
});
