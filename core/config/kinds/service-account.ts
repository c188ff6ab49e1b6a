// Kubernetes' ServiceAccount: that there is an account of this name. Who has it proves that by a certificate.

import { defineKind } from '../kind.ts';
import { informative, object, type Static } from '../schema.ts';

export const ServiceAccountSpec = object({});
export type ServiceAccountSpec = Static<typeof ServiceAccountSpec>;

export const serviceAccount = defineKind({
  name: 'ServiceAccount',
  shortNames: ['sa'],
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  spec: informative(ServiceAccountSpec),
  ignore: ['secrets', 'imagePullSecrets', 'automountServiceAccountToken'],
});
