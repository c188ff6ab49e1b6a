// One transaction from where a plugin is to its filter on every proxy. Each step is told; the first that fails says which it is
// and why, and leaves the mesh and the lockfile as they were.
import { digestOf } from '../../bus/digest.ts';
import type { Capability } from '../../core/wasm/trial/capabilities.ts';
import { type CheckedModule, checkPlugin } from '../../core/wasm/trial/check.ts';
import { checkAllowed, checkDeclared, unsettled } from '../allow.ts';
import { type Check, compileSchema } from '../configuration.ts';
import type { LockedPlugin } from '../lockfile.ts';
import { resourceName } from '../manifest.ts';
import { type FindOptions, findPlugin } from '../source/find.ts';
import type { FoundPlugin } from '../source/package.ts';
import { StepFailed } from '../step.ts';
import { trial } from '../trial.ts';
import { type CommitOptions, type Committed, commitPlugin } from './commit.ts';
import type { ControlPlane } from './control-plane.ts';
import type { Dialogue } from './dialogue.ts';
import { readPlugin } from './installed.ts';
import { type PluginResource, pluginResource, type Wishes } from './resource.ts';
import { proxiesOf } from './rollout.ts';

export interface InstallOptions extends CommitOptions, Dialogue {
  readonly namespace: string;
  /** Undefined: as its manifest or its package says. */
  readonly name?: string;
  readonly wishes: Wishes;
  /** Names of capabilities that are agreed to already. */
  readonly allow: readonly string[];
}

export interface Installed extends Committed {
  readonly plugin: PluginResource;
  readonly before: PluginResource | null;
  readonly locked: LockedPlugin;
}

/**
 * `spec`: a name, an image, an address, or a path of this disk, so it comes from somebody who may read this disk. Throws
 * PluginError, mostly StepFailed.
 */
export async function installPlugin(
  mesh: ControlPlane,
  spec: string,
  options: InstallOptions & FindOptions,
): Promise<Installed> {
  // Who has no mesh hears of it before anything is fetched.
  await mesh.version();
  const found = await findPlugin(spec, options);
  return installFound(mesh, spec, found, options);
}

/** The steps from check on. `spec`: as it was asked for, for the lockfile. */
export async function installFound(
  mesh: ControlPlane,
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
  const title = `${key.name}${plugin.version === undefined ? '' : ` ${plugin.version}`}`;
  const before = await readPlugin(mesh, key);
  await allow(title, description.capabilities, before, options);
  const capabilities = description.capabilities.map(({ name }) => name);
  const calls = manifest.upstreams === undefined ? '' : `; it calls ${manifest.upstreams.join(', ')}`;
  options.tell('allow', capabilities.length === 0 ? 'it can do nothing' : capabilities.join(', ') + calls);

  const after = pluginResource(key, found, { digest, capabilities }, options.wishes, before);
  await prove(checked, fits, after, options);

  const { created, size } = await mesh.putModule(digest, module);
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
  const message = `${before === null ? 'install' : 'update'} plugin ${title}`;
  const committed = await commitPlugin(mesh, { key, before, after, message, locked }, options);
  const { revision, rollout } = committed;
  options.tell('apply', `revision ${revision}, ${after.spec.enabled === true ? 'enabled' : 'not enabled'}`);
  if (rollout !== null) options.tell('wait', proxiesOf(rollout));
  return { ...committed, plugin: after, before, locked };
}

/** Throws StepFailed (allow). What it was allowed to before it still is. */
async function allow(
  title: string,
  imported: readonly Capability[],
  before: PluginResource | null,
  options: InstallOptions,
): Promise<void> {
  const allowed = [...options.allow, ...(before?.spec.capabilities ?? [])];
  checkAllowed(allowed);
  const refusal = await options.agree(title, unsettled(imported, allowed));
  if (refusal !== null) throw new StepFailed('allow', 'refused', refusal);
}

/** Throws StepFailed (trial). One that is not enabled may lack the configuration that it needs. */
async function prove(
  checked: CheckedModule,
  fits: Check,
  { metadata: { name }, spec }: PluginResource,
  { tell }: InstallOptions,
): Promise<void> {
  const { config, enabled, digest, rootId = '', type } = spec;
  const problems = fits(config ?? {});
  if (problems.length > 0 && (enabled === true || config !== undefined)) {
    const missing = config === undefined ? ' (it has no default configuration: give one with --config)' : '';
    throw new StepFailed(
      'trial',
      'refused',
      `the configuration does not fit its schema: ${problems.join('; ')}${missing}`,
    );
  }
  if (problems.length > 0) {
    tell('trial', `not started: without configuration ${problems.join('; ')}`);
    return;
  }
  await trial(checked, { name, digest, rootId, kind: type, configuration: config });
  tell('trial', config === undefined ? 'it starts without configuration' : 'it takes its configuration');
}

/** A module is called after its file. */
function nameOf(name: string): string {
  return name.replace(/\.wasm$/i, '');
}

function kilobytes(bytes: number): string {
  return bytes < 1024 * 1024 ? `${Math.ceil(bytes / 1024)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}
