// Which WASM module a resource runs, by digest: proxies fetch it by that, and what is named here stays in the store.

import type { PluginSpec } from './kinds/plugin.ts';
import type { Resource } from './resource.ts';

/** On a WasmPlugin: 'sha256:<hex>' of the module that its URL stood for when it was applied. Whoever resolves it writes it. */
export const MODULE_DIGEST = 'weft.dev/module-digest';

/** Null: it runs none, or it is not known yet which. */
export function moduleDigest(resource: Resource): string | null {
  if (resource.kind === 'Plugin') return (resource.spec as PluginSpec).digest;
  if (resource.kind === 'WasmPlugin') return resource.metadata.annotations?.[MODULE_DIGEST] ?? null;
  return null;
}
