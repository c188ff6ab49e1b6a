// The `Plugin` resource of an installed plugin: what its package says, and over it what its installer says.
import type { PluginSpec } from '../../core/config/kinds/plugin.ts';
import type { Metadata, Resource } from '../../core/config/resource.ts';
import type { Configuration } from '../configuration.ts';
import type { FoundPlugin } from '../source/package.ts';

/** JSON Schema of the plugin's configuration, so that a change of it can be checked without the package. */
export const SCHEMA_ANNOTATION = 'weft.dev/config-schema';

export interface PluginKey {
  readonly namespace: string;
  readonly name: string;
}

export interface PluginResource extends Resource {
  readonly spec: PluginSpec;
}

/** What its installer says; undefined leaves it as it is, or as the package has it. */
export interface Wishes {
  readonly enabled?: boolean;
  readonly config?: Configuration;
  readonly phase?: PluginSpec['phase'];
  readonly type?: PluginSpec['type'];
  readonly rootId?: string;
  readonly priority?: number;
  readonly selector?: Readonly<Record<string, string>>;
}

/** The next state of a plugin's resource. `before` is what stands in the mesh under this name. */
export function pluginResource(
  key: PluginKey,
  found: FoundPlugin,
  module: { digest: string; capabilities: readonly string[] },
  wishes: Wishes,
  before: PluginResource | null,
): PluginResource {
  const { manifest, version, schema } = found.plugin;
  const old: Partial<PluginSpec> = before?.spec ?? {};
  const selector = wishes.selector === undefined ? old.selector : { matchLabels: wishes.selector };
  const annotations: Record<string, string> = { ...before?.metadata.annotations };
  delete annotations[SCHEMA_ANNOTATION];
  if (schema !== undefined) annotations[SCHEMA_ANNOTATION] = JSON.stringify(schema);
  const metadata = { ...before?.metadata, ...key, annotations } as Metadata;
  return {
    apiVersion: 'weft.dev/v1',
    kind: 'Plugin',
    metadata,
    spec: defined({
      ...old,
      digest: module.digest,
      source: found.origin.source,
      version,
      enabled: wishes.enabled ?? old.enabled ?? false,
      type: wishes.type ?? manifest.type ?? old.type,
      rootId: wishes.rootId ?? manifest.rootId ?? old.rootId,
      selector,
      mode: old.mode ?? manifest.mode,
      config: wishes.config ?? old.config ?? manifest.defaultConfig,
      capabilities: [...module.capabilities],
      upstreams: manifest.upstreams ?? old.upstreams,
      phase: wishes.phase ?? old.phase ?? manifest.phase,
      priority: wishes.priority ?? old.priority ?? manifest.priority,
      failStrategy: old.failStrategy ?? manifest.failStrategy,
      isolation: old.isolation ?? manifest.isolation,
    }) as unknown as PluginSpec,
  };
}

/** 'default/jwt' */
export function label({ metadata: { namespace, name } }: PluginResource): string {
  return `${namespace}/${name}`;
}

export function keyOf({ metadata: { namespace, name } }: PluginResource): PluginKey {
  return { namespace, name };
}

/** With other values in its specification. */
export function withSpec(plugin: PluginResource, changes: Partial<PluginSpec>): PluginResource {
  return { ...plugin, spec: defined({ ...plugin.spec, ...changes }) as unknown as PluginSpec };
}

/** The schema that it was installed with; undefined: none. */
export function schemaOf({ metadata }: Resource): unknown {
  const text = metadata.annotations?.[SCHEMA_ANNOTATION];
  return text === undefined ? undefined : JSON.parse(text);
}

function defined(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
