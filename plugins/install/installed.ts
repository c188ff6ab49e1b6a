// Plugins that the mesh has, and whether one of them takes its configuration.
import { checkPlugin } from '../../core/wasm/trial/check.ts';
import { compileSchema } from '../configuration.ts';
import { PluginError, StepFailed } from '../step.ts';
import { trial } from '../trial.ts';
import type { ControlPlane } from './control-plane.ts';
import { label, type PluginKey, type PluginResource, schemaOf } from './resource.ts';

/** All of a namespace, or of all; by name. */
export async function installedPlugins(mesh: ControlPlane, namespace?: string): Promise<PluginResource[]> {
  const { items } = await mesh.plugins({ namespace });
  return [...items].sort((a, b) => (label(a) < label(b) ? -1 : 1));
}

/** Null when there is none. */
export async function readPlugin(mesh: ControlPlane, key: PluginKey): Promise<PluginResource | null> {
  const { items } = await mesh.plugins(key);
  return items[0] ?? null;
}

/** Throws PluginError (missing) when it is not installed. */
export async function installedPlugin(mesh: ControlPlane, key: PluginKey): Promise<PluginResource> {
  const found = await readPlugin(mesh, key);
  if (found !== null) return found;
  const others = (await installedPlugins(mesh)).map(label);
  const hint = others.length === 0 ? 'there is none' : `there are ${others.join(', ')}`;
  throw new PluginError('missing', `no plugin ${key.namespace}/${key.name} is installed; ${hint}`);
}

/** Throws StepFailed when its configuration does not fit, or when its module does not take it. */
export async function proveConfiguration(mesh: ControlPlane, plugin: PluginResource): Promise<void> {
  const { config, digest, rootId = '', type } = plugin.spec;
  const problems = compileSchema(schemaOf(plugin))(config ?? {});
  if (problems.length > 0) {
    throw new StepFailed('trial', 'refused', `the configuration does not fit its schema: ${problems.join('; ')}`);
  }
  const module = await mesh.module(digest);
  if (module === null) throw new StepFailed('store', 'missing', `the module ${digest} is not in the mesh any more`);
  await trial(checkPlugin(module), {
    ...{ name: plugin.metadata.name, digest, rootId },
    kind: type,
    configuration: config,
  });
}
