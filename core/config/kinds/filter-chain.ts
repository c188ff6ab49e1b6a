// FilterChain: changes to the order of filters at the selected workloads, by the names of filters that are there anyway.

import { ORDER } from '../../builtins/order.ts';
import { nonEmpty } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { array, boolean, object, oneOf, optional, type Static, struct } from '../schema.ts';
import { MatchLabels } from '../schemas/selectors.ts';

const GUARDS: readonly string[] = ORDER.filter(({ guards }) => guards !== undefined).map(({ name }) => name);

export const FilterChainSpec = object(
  {
    selector: optional(MatchLabels),
    /** Left out: inbound. */
    direction: optional(oneOf('inbound', 'outbound', 'gateway')),
    insert: optional(
      array(
        object(
          {
            /** The name of a Plugin or WasmPlugin of the FilterChain's namespace, or a built-in filter that can be configured. */
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
    /** What is different for requests that take one route, which is an http rule of a VirtualService by its name. */
    routes: optional(
      array(
        object(
          {
            route: nonEmpty,
            /** A built-in filter or a plugin of this chain. */
            filter: nonEmpty,
            /** true: its requests do not pass the filter. */
            disable: optional(boolean),
            /** In the place of the plugin's own. */
            config: optional(struct()),
          },
          {
            exactlyOne: [['disable', 'config']],
            check(route, report) {
              if (route.disable === false) report.error(['disable'], 'contradiction', 'write true, or nothing');
            },
          },
        ),
      ),
    ),
  },
  {
    check(spec, report) {
      if (!spec.insert?.length && !spec.disable?.length && !spec.routes?.length)
        report.error([], 'required', 'a FilterChain needs insert, disable or routes');
      const kept = (filter: string): string => `${filter} cannot be left out: policies would no longer hold`;
      spec.disable?.forEach((filter, i) => {
        if (GUARDS.includes(filter)) report.error(['disable', i], 'contradiction', kept(filter));
      });
      spec.routes?.forEach(({ filter }, i) => {
        if (GUARDS.includes(filter)) report.error(['routes', i, 'filter'], 'contradiction', kept(filter));
      });
      if (spec.routes?.length && (spec.direction ?? 'inbound') === 'inbound')
        report.error(['routes'], 'contradiction', 'only outbound and gateway chains have routes');
    },
  },
);
export type FilterChainSpec = Static<typeof FilterChainSpec>;

export const filterChain = defineKind({
  name: 'FilterChain',
  shortNames: ['fc'],
  group: 'weft.dev',
  versions: ['v1'],
  scope: 'namespace',
  spec: FilterChainSpec,
});
