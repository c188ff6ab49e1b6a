// Sidecar: which hosts the proxies of a namespace need to know of, and on what they listen.

import { quote, text } from '../formats.ts';
import { hostFault } from '../hosts.ts';
import { defineKind } from '../kind.ts';
import { array, notEnforced, object, oneOf, optional, type Static, string } from '../schema.ts';
import { NETWORKING } from '../schemas/networking.ts';
import { Port } from '../schemas/port.ts';
import { WorkloadSelector } from '../schemas/selectors.ts';
import { Destination } from '../schemas/virtual-service-http.ts';
import { ConnectionPoolSettings } from './destination-rule.ts';
import { ServerTLSSettings } from './gateway.ts';

/** 'namespace/host' with '*', '.' and '~' as namespace, '*' as host. */
const egressHost = string({
  code: 'host',
  check(value) {
    const slash = value.indexOf('/');
    if (slash < 0) return `${quote(value)} needs a namespace: write ./host, */host or namespace/host`;
    const namespace = value.slice(0, slash);
    if (!['*', '.', '~'].includes(namespace) && !/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
      return `${quote(namespace)} is no namespace, nor '.', '*' or '~'`;
    }
    return hostFault(value.slice(slash + 1), { wildcard: true });
  },
});

const captureMode = oneOf('DEFAULT', 'IPTABLES', 'NONE');

export const SidecarSpec = object({
  workloadSelector: optional(WorkloadSelector),
  ingress: optional(
    array(
      object({
        port: Port,
        bind: optional(text),
        captureMode: optional(captureMode),
        defaultEndpoint: optional(text),
        tls: optional(ServerTLSSettings),
        connectionPool: optional(ConnectionPoolSettings),
      }),
    ),
  ),
  egress: optional(
    array(
      object({
        port: optional(Port),
        bind: optional(text),
        captureMode: optional(captureMode),
        hosts: array(egressHost, 1),
      }),
    ),
  ),
  inboundConnectionPool: optional(ConnectionPoolSettings),
  outboundTrafficPolicy: optional(
    object({ mode: optional(oneOf('REGISTRY_ONLY', 'ALLOW_ANY')), egressProxy: optional(Destination) }),
  ),
});
export type SidecarSpec = Static<typeof SidecarSpec>;

export const sidecar = defineKind({
  name: 'Sidecar',
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: notEnforced(SidecarSpec),
});
