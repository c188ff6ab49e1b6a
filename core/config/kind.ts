// What a kind of resource is to the decoder: where it comes from, its scope, its schema. Types only.

import type { TSchema } from './schema.ts';

export interface Kind {
  readonly kind: string;
  /** '' = Kubernetes' core group. */
  readonly group: string;
  /** Accepted with the same schema. The first one is the one to write. */
  readonly versions: readonly string[];
  readonly scope: 'namespace' | 'cluster';
  readonly spec: TSchema;
  /** The only names that it may have. */
  readonly names?: readonly string[];
  /** Fields beside apiVersion, kind, metadata, spec and status that are accepted and dropped. */
  readonly ignore?: readonly string[];
}
