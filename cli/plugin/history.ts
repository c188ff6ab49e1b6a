// What a plugin was before: its resource in the revisions that the mesh keeps, newest first.
import type { Api } from '../api.ts';
import type { PluginKey } from './commit.ts';
import type { PluginResource } from './resource.ts';

export interface Past {
  readonly revision: number;
  readonly plugin: PluginResource;
}

/** As many as modules are kept for. */
const REVISIONS = 200;

/** Every state with other code than the one after it; the first is what it was before the present one. */
export async function* pastOf(api: Api, key: PluginKey, present: PluginResource): AsyncGenerator<Past> {
  const resource = `Plugin/${key.namespace}/${key.name}`;
  const { items } = await api.history(REVISIONS);
  let { digest } = present.spec;
  for (const { revision } of items) {
    const { upserts } = await api.commit(revision);
    const body = upserts.find((upsert) => upsert.key === resource)?.body as PluginResource | undefined;
    if (body === undefined || body.spec.digest === digest) continue;
    digest = body.spec.digest;
    yield { revision, plugin: body };
  }
}
