// What a plugin's range, or another one, stands for today: the same transaction as an installation.
import { digestOf } from '../../bus/digest.ts';
import type { LockedPlugins } from '../lockfile.ts';
import { type FindOptions, findPlugin } from '../source/find.ts';
import { PluginError } from '../step.ts';
import type { ControlPlane } from './control-plane.ts';
import { type InstallOptions, installFound } from './install.ts';
import { label, type PluginResource } from './resource.ts';

export interface UpdateOptions extends Omit<InstallOptions, 'namespace' | 'name' | 'wishes'>, FindOptions {
  /** The present one: it says what was asked for. */
  readonly locked: LockedPlugins;
  /** Undefined: the one that it was installed with. */
  readonly range?: string;
  /** Finds, verifies and tells; changes nothing. */
  readonly dryRun: boolean;
}

export interface Updated {
  /** What was asked for. */
  readonly spec: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** 'same': it is up to date. 'newer': of a dry run. */
  readonly outcome: 'same' | 'newer' | 'updated';
}

/** Null when it is not known where the plugin came from. Throws PluginError. */
export async function updatePlugin(
  mesh: ControlPlane,
  plugin: PluginResource,
  options: UpdateOptions,
): Promise<Updated | null> {
  const { namespace, name } = plugin.metadata;
  const spec = specOf(plugin, options);
  if (spec === null) {
    options.tell('resolve', `${name}: where it came from is not known`);
    return null;
  }
  const found = await findPlugin(spec, options);
  const { version: to, module } = found.plugin;
  const { version: from, digest } = plugin.spec;
  if (digestOf(module) === digest && to === from) return { spec, from, to, outcome: 'same' };
  if (options.dryRun) return { spec, from, to, outcome: 'newer' };
  await installFound(mesh, spec, found, { ...options, namespace, name, wishes: {} });
  return { spec, from, to, outcome: 'updated' };
}

/** What is asked for today: as it was installed, with another range if there is one. Null: not known. */
function specOf(plugin: PluginResource, { locked, range }: UpdateOptions): string | null {
  const { source } = plugin.spec;
  const asked = locked[label(plugin)]?.spec;
  const npm = /^npm:((?:@[^@/]+\/)?[^@/]+)@/.exec(source ?? '')?.[1];
  if (range !== undefined) {
    if (npm !== undefined) return `npm:${npm}@${range}`;
    throw new PluginError(
      'usage',
      `${plugin.metadata.name} is from ${source ?? 'an unknown place'}: only packages have ranges`,
    );
  }
  if (asked !== undefined) return asked;
  return npm === undefined ? (source ?? null) : `npm:${npm}`;
}
