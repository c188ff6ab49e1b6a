// What a kind of resource is: its names, where it comes from, its scope, its schema. Each stands in a file of kinds/.

import type { TSchema } from './schema.ts';

export interface Kind<Spec extends TSchema = TSchema, Name extends string = string> extends Definition<Spec, Name> {
  /** As a resource spells it. */
  readonly kind: string;
}

interface Definition<Spec extends TSchema, Name extends string> {
  /** Its name among all kinds: see kindName. */
  readonly name: Name;
  /** What people type for it, as in kubectl: 'vs'. */
  readonly shortNames?: readonly string[];
  /** '' = Kubernetes' core group. */
  readonly group: string;
  /** Accepted with the same schema. The first one is the one to write. */
  readonly versions: readonly string[];
  readonly scope: 'namespace' | 'cluster';
  readonly spec: Spec;
  /** The only names that resources of it may have. */
  readonly names?: readonly string[];
  /** Fields beside apiVersion, kind, metadata, spec and status that are accepted and dropped. */
  readonly ignore?: readonly string[];
}

export function defineKind<Spec extends TSchema, const Name extends string>(
  definition: Definition<Spec, Name>,
): Kind<Spec, Name> {
  return Object.freeze({ ...definition, kind: definition.name.split('.')[0] });
}
