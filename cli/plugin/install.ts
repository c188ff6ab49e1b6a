// One transaction from where a plugin is to its filter on every proxy. Each step is told; the first that fails says which it is
// and why, and leaves the mesh and the lockfile as they were.
import { digestOf } from '../../bus/objects.ts';
import { checkPlugin } from '../../core/wasm/trial/check.ts';
import { checkDeclared } from '../../plugins/allow.ts';
import { canary } from '../../plugins/canary.ts';
import { compileSchema } from '../../plugins/configuration.ts';
import type { LockedPlugin } from '../../plugins/lockfile.ts';
import { resourceName } from '../../plugins/manifest.ts';
import { type FindOptions, findPlugin } from '../../plugins/source/find.ts';
import type { FoundPlugin } from '../../plugins/source/package.ts';
import { StepFailed } from '../../plugins/step.ts';
import type { Api } from '../api.ts';
import { summary } from '../rollout.ts';
import { agree } from './agree.ts';
import { type CommitOptions, type Committed, commitPlugin, readPlugin } from './commit.ts';
import { type PluginResource, pluginResource, type Wishes } from './resource.ts';

export interface InstallOptions extends CommitOptions, FindOptions {
  readonly namespace: string;
  /** Undefined: as its manifest or its package says. */
  readonly name?: string;
  readonly wishes: Wishes;
  readonly allow: readonly string[];
  readonly yes: boolean;
}

export interface Installed extends Committed {
  readonly plugin: PluginResource;
  readonly before: PluginResource | null;
  readonly locked: LockedPlugin;
}

/** Throws StepFailed and CliError. */
export async function installPlugin(api: Api, spec: string, options: InstallOptions): Promise<Installed> {
  // Who has no mesh hears of it before anything is fetched.
  await api.version();
  const found = await findPlugin(spec, options);
  return installFound(api, spec, found, options);
}

export async function installFound(
  api: Api,
  spec: string,
  found: FoundPlugin,
  options: InstallOptions,
): Promise<Installed> {
  const { plugin, origin } = found;
  const { manifest, module } = plugin;
  const checked = checkPlugin(module);
  const { description } = checked;
  if (description.refusal !== null)
    throw new StepFailed('check', 'refused', `the module cannot run: ${description.refusal}`);
  checkDeclared(description.capabilities, manifest.capabilities);
  const fits = compileSchema(plugin.schema);
  const digest = digestOf(module);
  options.tell('check', `proxy-wasm ${description.abi}, ${kilobytes(module.length)}, ${digest.slice(0, 19)}`);

  const key = {
    namespace: options.namespace,
    name: options.name ?? manifest.name ?? resourceName(nameOf(plugin.name)),
  };
  const before = await readPlugin(api, key);
  const allowed = [...options.allow, ...(before?.spec.capabilities ?? [])];
  await agree(`${key.name}${plugin.version === undefined ? '' : ` ${plugin.version}`}`, description.capabilities, {
    allowed,
    yes: options.yes,
  });
  const capabilities = description.capabilities.map(({ name }) => name);
  const calls = manifest.upstreams === undefined ? '' : `; it calls ${manifest.upstreams.join(', ')}`;
  options.tell('allow', capabilities.length === 0 ? 'it can do nothing' : capabilities.join(', ') + calls);

  const after = pluginResource(key, found, { digest, capabilities }, options.wishes, before);
  const { config, enabled, rootId = '', type } = after.spec;
  const problems = fits(config ?? {});
  if (problems.length > 0 && (enabled === true || config !== undefined)) {
    const missing = config === undefined ? ' (it has no default configuration: give one with --config)' : '';
    throw new StepFailed(
      'canary',
      'refused',
      `the configuration does not fit its schema: ${problems.join('; ')}${missing}`,
    );
  }
  if (problems.length === 0) {
    await canary(checked, { name: key.name, digest, rootId, kind: type, configuration: config });
    options.tell('canary', config === undefined ? 'it starts without configuration' : 'it takes its configuration');
  } else options.tell('canary', `not started: without configuration ${problems.join('; ')}`);

  const { created, size } = await api.putModule(digest, module);
  options.tell('store', created ? 'the module is in the mesh' : 'the module was in the mesh already');
  const locked: LockedPlugin = {
    spec,
    source: origin.source,
    version: plugin.version,
    resolved: origin.resolved,
    integrity: origin.integrity,
    digest,
    size,
    capabilities,
    signature: origin.signature,
    provenance: origin.provenance,
  };
  const what = `${before === null ? 'install' : 'update'} plugin ${key.name}${plugin.version === undefined ? '' : ` ${plugin.version}`}`;
  const committed = await commitPlugin(api, { key, before, after, message: what, locked }, options);
  options.tell('apply', `revision ${committed.revision}, ${enabled === true ? 'enabled' : 'not enabled'}`);
  if (committed.rollout !== null) options.tell('wait', summary(committed.rollout).replace(/^revision \d+: /, ''));
  return { ...committed, plugin: after, before, locked };
}

/** A module is called after its file. */
function nameOf(name: string): string {
  return name.replace(/\.wasm$/i, '');
}

function kilobytes(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
