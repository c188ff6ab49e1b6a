// Which kind a resource is, for those who read what others have decoded: it loads none of the kinds.

import type { KindName, Specs } from './kind-names.ts';
import { kindName, type Resource } from './resource.ts';

/** Narrows a decoded resource by its kind. */
export function isKind<Name extends KindName>(resource: Resource, name: Name): resource is Resource<Specs[Name]> {
  return kindName(resource) === name;
}
