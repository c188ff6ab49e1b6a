// Plugins that the mesh has, and changing one of them: the configuration is checked against its schema and tried out before
// anything is stored.
import type { PluginSpec } from '../../core/config/kinds/plugin.ts';
import { checkPlugin } from '../../core/wasm/trial/check.ts';
import { canary } from '../../plugins/canary.ts';
import { compileSchema } from '../../plugins/configuration.ts';
import { StepFailed } from '../../plugins/step.ts';
import type { Api } from '../api.ts';
import { CliError, EXIT } from '../exit.ts';
import { note, paint, print, printJson } from '../output.ts';
import { summary } from '../rollout.ts';
import {
  type CommitOptions,
  type Committed,
  commitPlugin,
  type PluginChange,
  type PluginKey,
  readPlugin,
} from './commit.ts';
import { type PluginResource, schemaOf } from './resource.ts';

/** All of a namespace, or of all; by name. */
export async function installedPlugins(api: Api, namespace?: string): Promise<PluginResource[]> {
  const { items } = await api.resources({ kind: 'Plugin', namespace });
  return (items as PluginResource[]).sort((a, b) => (label(a) < label(b) ? -1 : 1));
}

/** Throws CliError when it is not installed. */
export async function installedPlugin(api: Api, key: PluginKey): Promise<PluginResource> {
  const found = await readPlugin(api, key);
  if (found !== null) return found;
  const others = (await installedPlugins(api)).map(label);
  const hint = others.length === 0 ? 'there is none' : `there are ${others.join(', ')}`;
  throw new CliError(`no plugin ${key.namespace}/${key.name} is installed; ${hint}`, EXIT.failure);
}

/** 'default/jwt' */
export function label({ metadata: { namespace, name } }: PluginResource): string {
  return `${namespace}/${name}`;
}

/** Throws StepFailed when its configuration does not fit, or when its module does not take it. */
export async function proveConfiguration(api: Api, plugin: PluginResource): Promise<void> {
  const { config, digest, rootId = '', type } = plugin.spec;
  const problems = compileSchema(schemaOf(plugin))(config ?? {});
  if (problems.length > 0) {
    throw new StepFailed('canary', 'refused', `the configuration does not fit its schema: ${problems.join('; ')}`);
  }
  const module = await api.module(digest);
  if (module === null) throw new StepFailed('store', 'missing', `the module ${digest} is not in the mesh any more`);
  await canary(checkPlugin(module), {
    ...{ name: plugin.metadata.name, digest, rootId },
    kind: type,
    configuration: config as PluginSpec['config'],
  });
}

/** Commits, and prints what happened. */
export async function changeInstalled(
  api: Api,
  change: PluginChange,
  options: CommitOptions & { readonly json?: boolean },
  said: string,
): Promise<Committed> {
  const committed = await commitPlugin(api, change, options);
  const { revision, rollout, warnings } = committed;
  for (const warning of warnings) note(`${paint('yellow', 'warning:', process.stderr)} ${warning}`);
  if (options.json === true) {
    const { version, digest, source, enabled, config } = change.after?.spec ?? {};
    printJson({ ...change.key, version, digest, source, enabled, config, revision, rollout, warnings });
  } else {
    print(said);
    if (rollout !== null) note(summary(rollout));
  }
  return committed;
}
