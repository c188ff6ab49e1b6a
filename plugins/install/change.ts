// Changes of an installed plugin that fetch nothing: into the chains and out of them, another configuration, back to what it
// was, out of the mesh. `before` is what the change is made from: when it is another one by now, nothing is changed.
import type { Configuration } from '../configuration.ts';
import { readLockfile } from '../lockfile.ts';
import { PluginError } from '../step.ts';
import { type CommitOptions, type Committed, commitPlugin } from './commit.ts';
import type { ControlPlane } from './control-plane.ts';
import { type Past, pastOf } from './history.ts';
import { proveConfiguration } from './installed.ts';
import { keyOf, label, type PluginResource, type Wishes, withSpec } from './resource.ts';

export interface Changed extends Committed {
  /** Null: it is gone. */
  readonly after: PluginResource | null;
}

export interface RolledBack extends Changed {
  /** Its version, or the beginning of its digest. */
  readonly to: string;
  /** Which had it. */
  readonly past: number;
}

/** Throws PluginError, as all of these do. */
export async function enablePlugin(
  mesh: ControlPlane,
  before: PluginResource,
  wishes: Pick<Wishes, 'config' | 'phase' | 'selector'>,
  options: CommitOptions,
): Promise<Changed> {
  const { config = before.spec.config, phase = before.spec.phase } = wishes;
  const selector = wishes.selector === undefined ? before.spec.selector : { matchLabels: wishes.selector };
  const after = withSpec(before, { config, phase, selector, enabled: true });
  await proveConfiguration(mesh, after);
  return replace(mesh, before, after, `enable plugin ${before.metadata.name}`, options);
}

/** It stays installed. */
export function disablePlugin(mesh: ControlPlane, before: PluginResource, options: CommitOptions): Promise<Changed> {
  const after = withSpec(before, { enabled: false });
  return replace(mesh, before, after, `disable plugin ${before.metadata.name}`, options);
}

/** All of its configuration. */
export async function configurePlugin(
  mesh: ControlPlane,
  before: PluginResource,
  config: Configuration,
  options: CommitOptions,
): Promise<Changed> {
  const after = withSpec(before, { config });
  await proveConfiguration(mesh, after);
  return replace(mesh, before, after, `configure plugin ${before.metadata.name}`, options);
}

/** `wanted`: a version or the beginning of a digest; undefined: what it was before its last update. */
export async function rollBackPlugin(
  mesh: ControlPlane,
  before: PluginResource,
  wanted: string | undefined,
  options: CommitOptions,
): Promise<RolledBack> {
  const { name } = before.metadata;
  const past = await findPast(mesh, before, wanted);
  const { version, digest, source = '', capabilities = [] } = past.plugin.spec;
  const stored = (await mesh.modules()).find((module) => module.digest === digest);
  if (stored === undefined) {
    throw new PluginError('missing', `the module ${digest} of ${name} is not in the mesh any more`);
  }
  // Whether it is on is not a matter of its version.
  const after = withSpec(past.plugin, { enabled: before.spec.enabled });
  const to = version ?? digest.slice(0, 19);
  const entry = options.lockfile === null ? undefined : (await readLockfile(options.lockfile))[label(before)];
  const locked = { spec: entry?.spec ?? source, source, version, digest, size: stored.size, capabilities };
  const message = `roll plugin ${name} back to ${to}`;
  const committed = await commitPlugin(mesh, { key: keyOf(before), before, after, message, locked }, options);
  return { ...committed, after, to, past: past.revision };
}

/** Its module goes when no revision needs it. */
export async function uninstallPlugin(
  mesh: ControlPlane,
  before: PluginResource,
  options: CommitOptions,
): Promise<Changed> {
  const message = `uninstall plugin ${before.metadata.name}`;
  const change = { key: keyOf(before), before, after: null, message, locked: null };
  return { ...(await commitPlugin(mesh, change, options)), after: null };
}

async function replace(
  mesh: ControlPlane,
  before: PluginResource,
  after: PluginResource,
  message: string,
  options: CommitOptions,
): Promise<Changed> {
  return { ...(await commitPlugin(mesh, { key: keyOf(before), before, after, message }, options)), after };
}

async function findPast(mesh: ControlPlane, present: PluginResource, wanted: string | undefined): Promise<Past> {
  for await (const past of pastOf(mesh, present)) {
    if (wanted === undefined || fits(past, wanted)) return past;
  }
  const which = wanted ?? 'anything else';
  throw new PluginError('missing', `${present.metadata.name} was not ${which} in any revision that is kept`);
}

function fits({ plugin: { spec } }: Past, wanted: string): boolean {
  return (
    spec.version === wanted ||
    (wanted.length >= 6 && spec.digest.replace('sha256:', '').startsWith(wanted.replace('sha256:', '')))
  );
}
