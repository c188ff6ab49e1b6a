// A port with the protocol that is spoken on it: of a gateway's server, a sidecar's listener, a service.

import { port, portOrZero, quote, text } from '../formats.ts';
import { object, optional, type Static, string } from '../schema.ts';

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
export const protocol = string({
  code: 'enum',
  check: (value) =>
    value === '' || PROTOCOLS.includes(value.toUpperCase())
      ? null
      : `${quote(value)} is no protocol: one of ${PROTOCOLS.join(', ')}`,
});

export const portFields = {
  number: port,
  protocol: optional(protocol),
  name: optional(text),
  targetPort: optional(portOrZero),
};

/** A port of a sidecar's listener or a ServiceEntry. */
export const Port = object(portFields);
export type Port = Static<typeof Port>;

/** What of a service's protocol is not enforced. Left out: it is found out. */
export function unenforcedProtocol(protocol: string | undefined): string | null {
  const name = protocol?.toUpperCase() || 'HTTP';
  if (name === 'HTTP' || name === 'GRPC-WEB') return null;
  return name === 'HTTP2' || name === 'GRPC' ? 'HTTP/2 towards a service' : `${name} ports`;
}
