// The tls and tcp sections of a VirtualService: what their routes match, and where they lead.

import { count, ipOrCidr, labels, portOrZero, serverName, text } from '../formats.ts';
import { gatewayReference } from '../gateway-reference.ts';
import { array, object, optional, type Static } from '../schema.ts';
import { checkWeights, Destination } from './destination.ts';

const RouteDestination = object({ destination: Destination, weight: optional(count) });

/** Of the connection. */
const connectionFields = {
  destinationSubnets: optional(array(ipOrCidr)),
  port: optional(portOrZero),
  sourceLabels: optional(labels),
  gateways: optional(array(gatewayReference)),
  sourceNamespace: optional(text),
};

export const TCPRoute = object(
  {
    match: optional(array(object({ ...connectionFields, sourceSubnet: optional(ipOrCidr) }))),
    route: array(RouteDestination, 1),
  },
  { check: (route, report) => checkWeights(route.route, report) },
);
export type TCPRoute = Static<typeof TCPRoute>;

export const TLSRoute = object(
  {
    match: array(object({ ...connectionFields, sniHosts: array(serverName, 1) }), 1),
    route: array(RouteDestination, 1),
  },
  { check: (route, report) => checkWeights(route.route, report) },
);
export type TLSRoute = Static<typeof TLSRoute>;
