// Kubernetes' Namespace: that there is one of this name.

import type { Kind } from '../kind.ts';
import { object, type Static } from '../schema.ts';

export const NamespaceSpec = object({}, { ignore: ['finalizers'] });
export type NamespaceSpec = Static<typeof NamespaceSpec>;

export const namespace: Kind = {
  kind: 'Namespace',
  group: '',
  versions: ['v1'],
  scope: 'cluster',
  spec: NamespaceSpec,
};
