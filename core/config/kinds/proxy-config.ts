// ProxyConfig: settings of the proxies themselves.

import { count, text } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { map, notEnforced, object, optional, type Static } from '../schema.ts';
import { NETWORKING } from '../schemas/networking.ts';
import { MatchLabels } from '../schemas/selectors.ts';

export const ProxyConfigSpec = object({
  selector: optional(MatchLabels),
  /** Shards. 0: one a core. */
  concurrency: optional(count),
  environmentVariables: optional(map(text)),
  image: optional(object({ imageType: optional(text) })),
});
export type ProxyConfigSpec = Static<typeof ProxyConfigSpec>;

export const proxyConfig = defineKind({
  name: 'ProxyConfig',
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: notEnforced(ProxyConfigSpec),
});
