// What a plugin was before: its resource in the revisions that the mesh keeps, newest first.
import type { ControlPlane } from './control-plane.ts';
import { keyOf, type PluginResource } from './resource.ts';

export interface Past {
  readonly revision: number;
  readonly plugin: PluginResource;
}

/** As many as modules are kept for. */
const REVISIONS = 200;

/** Every state with other code than the one after it; the first is what it was before the present one. */
export async function* pastOf(mesh: ControlPlane, present: PluginResource): AsyncGenerator<Past> {
  let { digest } = present.spec;
  for (const revision of await mesh.revisions(REVISIONS)) {
    const plugin = await mesh.written(revision, keyOf(present));
    if (plugin === null || plugin.spec.digest === digest) continue;
    digest = plugin.spec.digest;
    yield { revision, plugin };
  }
}
