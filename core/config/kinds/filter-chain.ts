// FilterChain: changes to the order of filters at the selected workloads, by the names of filters that are there anyway.

import { ORDER } from '../../builtins/order.ts';
import { ROOT_NAMESPACE } from '../attachment.ts';
import { nonEmpty } from '../formats.ts';
import { defineKind, type Inventory, notFound, type Warn } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { array, boolean, object, oneOf, optional, type Static, struct } from '../schema.ts';
import { MatchLabels } from '../schemas/selectors.ts';
import type { Path } from '../walk.ts';
import { plugin } from './plugin.ts';
import { wasmPlugin } from './wasm-plugin.ts';

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
  references,
});

/** An anchor that is not there puts the filter last; what is to be left out and is not there changes nothing. */
function references({ metadata, spec }: Resource<FilterChainSpec>, inventory: Inventory, warn: Warn): void {
  const isPlugin = (name: string): boolean =>
    [metadata.namespace, ROOT_NAMESPACE].some(
      (owner) => inventory.get(plugin, owner, name) !== null || inventory.get(wasmPlugin, owner, name) !== null,
    );
  const direction = spec.direction ?? 'inbound';
  const configurable = (name: string): boolean =>
    ORDER.some((place) => place.name === name && place.insertable === true);
  const stands = (name: string): boolean =>
    configurable(name) || ORDER.some((place) => place.name === name && place.chains.includes(direction));
  const filter = (name: string, path: Path): void => {
    if (!stands(name) && !isPlugin(name)) warn('IST0101', path, notFound(`filter of ${direction} chains`, name));
  };
  spec.insert?.forEach(({ filter: name, before, after }, i) => {
    if (!isPlugin(name) && !configurable(name))
      warn('IST0101', ['spec', 'insert', i, 'filter'], notFound('plugin', name));
    if (before !== undefined) filter(before, ['spec', 'insert', i, 'before']);
    if (after !== undefined) filter(after, ['spec', 'insert', i, 'after']);
  });
  spec.disable?.forEach((name, i) => {
    filter(name, ['spec', 'disable', i]);
  });
  spec.routes?.forEach(({ filter: name, config }, i) => {
    filter(name, ['spec', 'routes', i, 'filter']);
    if (config === undefined || isPlugin(name) || !stands(name)) return;
    const path = ['spec', 'routes', i, 'config'];
    if (!configurable(name)) {
      warn('no_effect', path, `${name} takes no configuration: its policies say what it does; this has no effect`);
    } else if (!isInserted(name, direction, metadata.namespace, inventory)) {
      warn('no_effect', path, `no FilterChain inserts ${name} into ${direction} chains: this has no effect`);
    }
  });
}

/** Does a FilterChain that may be there for workloads of this namespace insert a filter of this name? */
function isInserted(filter: string, direction: string, namespace: string, inventory: Inventory): boolean {
  return inventory
    .all(filterChain)
    .some(
      ({ metadata, spec }) =>
        (spec.direction ?? 'inbound') === direction &&
        (namespace === ROOT_NAMESPACE || [namespace, ROOT_NAMESPACE].includes(metadata.namespace)) &&
        spec.insert?.some((insertion) => insertion.filter === filter),
    );
}
