// Kubernetes' Namespace: that there is one of this name.

import { defineKind } from '../kind.ts';
import { informative, object, type Static } from '../schema.ts';

export const NamespaceSpec = object({}, { ignore: ['finalizers'] });
export type NamespaceSpec = Static<typeof NamespaceSpec>;

export const namespace = defineKind({
  name: 'Namespace',
  shortNames: ['ns'],
  group: '',
  versions: ['v1'],
  scope: 'cluster',
  spec: informative(NamespaceSpec),
});
