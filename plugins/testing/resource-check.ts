// What the mesh says of the Plugin resource that a folder is installed as: problems of its manifest, and what of it no proxy
// would enforce.
import { digestOf } from '../../bus/digest.ts';
import { decodeResource } from '../../core/config/decode.ts';
import type { Problem } from '../../core/config/resource.ts';
import { crossCheck } from '../../core/config/validate.ts';
import { describePlugin } from '../../core/wasm/trial/check.ts';
import { pluginResource } from '../install/resource.ts';
import type { Project } from '../project.ts';

/** By the same checks as when it is applied. `module`: its bytes, which can run. */
export function checkResource({ name, version, manifest, schema, folder }: Project, module: Uint8Array): Problem[] {
  const plugin = { name, version, description: undefined, manifest, module, schema, facts: {} };
  const capabilities = describePlugin(module).capabilities.map((capability) => capability.name);
  const key = { namespace: 'default', name };
  const found = { plugin, origin: { source: `file:${folder}` } };
  const planned = pluginResource(key, found, { digest: digestOf(module), capabilities }, {}, null);
  const { resource, problems } = decodeResource(planned);
  return resource === null ? problems : [...problems, ...crossCheck([resource])];
}
