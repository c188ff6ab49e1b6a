// What the mesh's MeshConfig says; there is one at most.

import type { MeshConfigSpec } from '../config/kinds/mesh-config.ts';
import type { Resource } from '../config/resource.ts';

export function meshWide([only]: readonly Resource<MeshConfigSpec>[]): MeshConfigSpec {
  return only?.spec ?? NOTHING;
}

const NOTHING: MeshConfigSpec = Object.freeze({});
