// FilterChain: changes to the order of filters at the selected workloads, by the names of filters that are there anyway.

import { nonEmpty } from '../formats.ts';
import type { Kind } from '../kind.ts';
import { array, object, oneOf, optional, type Static, struct } from '../schema.ts';
import { MatchLabels } from './shared.ts';

export const FilterChainSpec = object(
  {
    selector: optional(MatchLabels),
    /** Left out: inbound. */
    direction: optional(oneOf('inbound', 'outbound', 'gateway')),
    insert: optional(
      array(
        object(
          {
            /** A Plugin's name. */
            filter: nonEmpty,
            before: optional(nonEmpty),
            after: optional(nonEmpty),
            config: optional(struct()),
          },
          { exactlyOne: [['before', 'after']] },
        ),
      ),
    ),
    /** Built-in filters or plugins that are left out here. */
    disable: optional(array(nonEmpty)),
  },
  {
    check(spec, report) {
      if (!spec.insert?.length && !spec.disable?.length)
        report.error([], 'required', 'a FilterChain needs insert or disable');
      for (const filter of ['rbac', 'authn']) {
        const at = spec.disable?.indexOf(filter) ?? -1;
        if (at >= 0)
          report.error(['disable', at], 'contradiction', `${filter} cannot be left out: policies would no longer hold`);
      }
    },
  },
);
export type FilterChainSpec = Static<typeof FilterChainSpec>;

export const filterChain: Kind = {
  kind: 'FilterChain',
  group: 'weft.dev',
  versions: ['v1'],
  scope: 'namespace',
  spec: FilterChainSpec,
};
