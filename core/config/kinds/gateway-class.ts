// The Gateway API's GatewayClass: who is to run the gateways that name it.

import { nonEmpty, text } from '../formats.ts';
import { defineKind } from '../kind.ts';
import { notEnforced, object, optional, type Static } from '../schema.ts';
import { GATEWAY_API } from '../schemas/gateway-api.ts';

export const GatewayClassSpec = object({
  controllerName: nonEmpty,
  description: optional(text),
  parametersRef: optional(object({ group: text, kind: nonEmpty, name: nonEmpty, namespace: optional(text) })),
});
export type GatewayClassSpec = Static<typeof GatewayClassSpec>;

export const gatewayClass = defineKind({
  name: 'GatewayClass',
  shortNames: ['gc'],
  ...GATEWAY_API,
  scope: 'cluster',
  spec: notEnforced(GatewayClassSpec),
});
