// A port with the protocol that is spoken on it: of a gateway's server, a sidecar's listener, a service.

import { port, portNameRule, portOrZero, quote, text } from '../formats.ts';
import { informative, object, optional, type Static, type StringRules, string } from '../schema.ts';
import { carriesBytes, isHttp2 } from './port-protocol.ts';

const PROTOCOLS = [
  'HTTP',
  'HTTPS',
  'HTTP2',
  'GRPC',
  'GRPC-WEB',
  'HTTP_PROXY',
  'MONGO',
  'MYSQL',
  'REDIS',
  'TCP',
  'TLS',
  'UDP',
];

/** Istio takes protocol names in any case; '' = it is found out. */
export const protocolName: StringRules = {
  code: 'enum',
  check: (value) =>
    value === '' || PROTOCOLS.includes(value.toUpperCase())
      ? null
      : `${quote(value)} is no protocol: one of ${PROTOCOLS.join(', ')}`,
};
const protocol = string(protocolName);

/** Of a ServiceEntry. */
export const ServicePort = object({
  number: port,
  protocol: optional(protocol),
  name: optional(text),
  targetPort: optional(portOrZero),
});

/** Of a sidecar's listener. Only one that listens on a Unix socket has no number. */
export const SidecarPort = object({
  number: optional(portOrZero),
  protocol: optional(protocol),
  name: informative(
    optional(string({ code: 'name', check: (name) => (name === '' ? null : portNameRule.check(name)) })),
  ),
});
export type SidecarPort = Static<typeof SidecarPort>;

const HTTP = ['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB', 'HTTP_PROXY'];
const TLS = ['HTTPS', 'TLS'];

/** Istio's names, in any case. */
export function isHttp(protocol: string | undefined): boolean {
  return HTTP.includes((protocol ?? '').toUpperCase());
}

export function isTls(protocol: string | undefined): boolean {
  return TLS.includes((protocol ?? '').toUpperCase());
}

/** What of a service's protocol is not enforced. Left out: it is found out. */
export function unenforcedProtocol(protocol: string | undefined): string | null {
  const name = protocol?.toUpperCase() || 'HTTP';
  return name === 'HTTP' || name === 'KUBERNETES.IO/WS' || isHttp2(name) || carriesBytes(name) ? null : `${name} ports`;
}
