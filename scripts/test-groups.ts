// Which test files share a process: to load the data plane costs half a second of CPU, and most of its tests a tenth of one.

/** By the folders of their files. A folder may lie in that of another group. */
export const GROUPS: Readonly<Record<string, readonly string[]>> = {
  bus: ['test/bus/'],
  cli: ['test/cli/'],
  control: ['test/control/'],
  core: ['test/core/'],
  filters: ['test/contract/', 'test/filters/', 'test/fuzz/', 'test/plugins/'],
  path: ['test/path/'],
  wasm: ['test/core/wasm/'],
};

/**
 * In no group: files that start threads, many servers or programs that run until they are stopped, measure their process, or take so
 * long that what they load does not matter. What ends with '/' is a folder.
 */
export const ALONE: readonly string[] = [
  'test/bus/cluster.test.ts',
  'test/bus/crowd.test.ts',
  'test/bus/users/permissions.test.ts',
  'test/bus/server/versions.test.ts',
  'test/cli/backup.test.ts',
  'test/cli/configuration.test.ts',
  'test/cli/frozen-bus.test.ts',
  'test/cli/plugin-test.test.ts',
  'test/cli/plugin/install.test.ts',
  'test/cli/plugin/manage.test.ts',
  'test/cli/plugin/registry.test.ts',
  'test/cli/plugin/six-proxies.test.ts',
  'test/cli/proxy.test.ts',
  'test/cli/rollout.test.ts',
  'test/cli/run.test.ts',
  'test/control/authority/rotation.test.ts',
  'test/control/disasters.test.ts',
  'test/control/races.test.ts',
  'test/core/config/effects/',
  'test/core/config/fuzz.test.ts',
  'test/core/isolation/',
  'test/core/main/',
  'test/core/shard/',
  'test/core/snapshot/cost.test.ts',
  'test/core/threads/',
];

/** Of those alone: who takes longest begins first, so that both cores have something to do until the end. */
export const LONG: readonly string[] = [
  'test/machines/two-machines.test.ts',
  'test/examples/demo.test.ts',
  'test/package.test.ts',
  'test/examples/own-filter.test.ts',
  'test/cli/run.test.ts',
  'test/bench/run.test.ts',
  'test/core/main/bus-source.test.ts',
  'test/cli/plugin/six-proxies.test.ts',
];

export interface Run {
  /** In the order in which they begin. */
  readonly alone: readonly string[];
  readonly groups: ReadonlyMap<string, readonly string[]>;
}

/** `files`: relative to the root, with '/'. A group of one is no group. */
export function grouped(files: readonly string[]): Run {
  const alone: string[] = [];
  const groups = new Map<string, string[]>();
  for (const file of files) {
    const isAlone = ALONE.some((path) => (path.endsWith('/') ? file.startsWith(path) : file === path));
    const name = isAlone ? null : groupOf(file);
    if (name === null) alone.push(file);
    else groups.set(name, [...(groups.get(name) ?? []), file]);
  }
  for (const [name, members] of groups) {
    if (members.length > 1) continue;
    groups.delete(name);
    alone.push(...members);
  }
  const rest = alone.filter((file) => !LONG.includes(file)).sort();
  return { alone: [...LONG.filter((file) => alone.includes(file)), ...rest], groups };
}

/** The innermost. */
function groupOf(file: string): string | null {
  let longest = '';
  let found: string | null = null;
  for (const [name, folders] of Object.entries(GROUPS)) {
    for (const folder of folders) {
      if (!file.startsWith(folder) || folder.length <= longest.length) continue;
      longest = folder;
      found = name;
    }
  }
  return found;
}
