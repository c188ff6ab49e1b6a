// Istio's Gateway: the ports and hosts that a gateway proxy serves. (The Gateway API's kind of the same name is in
// gateway-api-gateway.ts.)

import { labels, port, portOrZero, quote, text, texts } from '../formats.ts';
import { hostFault } from '../hosts.ts';
import { defineKind } from '../kind.ts';
import { array, boolean, object, oneOf, optional, type Static, string } from '../schema.ts';
import { NETWORKING } from '../schemas/networking.ts';

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

/** Istio takes protocol names in any case. */
export const protocol = string({
  code: 'enum',
  check: (value) =>
    PROTOCOLS.includes(value.toUpperCase()) ? null : `${quote(value)} is no protocol: one of ${PROTOCOLS.join(', ')}`,
});

/** A port of a gateway, a sidecar's listener or a ServiceEntry. */
export const Port = object({
  number: port,
  protocol: optional(protocol),
  name: optional(text),
  targetPort: optional(portOrZero),
});
export type Port = Static<typeof Port>;

const tlsVersion = oneOf('TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3');

const certificate = {
  serverCertificate: optional(text),
  privateKey: optional(text),
  caCertificates: optional(text),
};

export const ServerTLSSettings = object(
  {
    httpsRedirect: optional(boolean),
    mode: optional(oneOf('PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL')),
    ...certificate,
    caCrl: optional(text),
    credentialName: optional(text),
    credentialNames: optional(texts),
    caCertCredentialName: optional(text),
    tlsCertificates: optional(array(object(certificate))),
    subjectAltNames: optional(texts),
    verifyCertificateSpki: optional(texts),
    verifyCertificateHash: optional(texts),
    minProtocolVersion: optional(tlsVersion),
    maxProtocolVersion: optional(tlsVersion),
    cipherSuites: optional(texts),
    insecureSkipVerify: optional(boolean),
  },
  {
    atMostOne: [['credentialName', 'credentialNames', 'tlsCertificates']],
    check(tls, report) {
      if (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL' && tls.mode !== 'OPTIONAL_MUTUAL') return;
      if (tls.credentialName || tls.credentialNames?.length || tls.tlsCertificates?.length) return;
      for (const field of ['serverCertificate', 'privateKey'] as const) {
        if (!tls[field]) report.error([], 'required', `mode ${tls.mode} needs ${field} (or a credentialName)`);
      }
    },
  },
);
export type ServerTLSSettings = Static<typeof ServerTLSSettings>;

/** 'bookinfo.com', '*.example.com', 'namespace/host', './host', '*\/host'. */
const gatewayHost = string({
  code: 'host',
  check(value) {
    const slash = value.indexOf('/');
    const namespace = slash < 0 ? '*' : value.slice(0, slash);
    if (namespace !== '*' && namespace !== '.' && !/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) {
      return `${quote(value)} is no host: ${quote(namespace)} before the '/' is no namespace, nor '.' or '*'`;
    }
    return hostFault(value.slice(slash + 1), { wildcard: true });
  },
});

export const Server = object(
  {
    port: Port,
    bind: optional(text),
    hosts: array(gatewayHost, 1),
    tls: optional(ServerTLSSettings),
    defaultEndpoint: optional(text),
    name: optional(text),
  },
  {
    check(server, report) {
      const name = server.port.protocol?.toUpperCase();
      if (name === undefined) report.error(['port'], 'required', 'a server port needs a protocol');
      if ((name === 'HTTPS' || name === 'TLS') && !server.tls) {
        report.error([], 'required', `a server with protocol ${name} needs tls settings`);
      }
    },
  },
);
export type Server = Static<typeof Server>;

export const GatewaySpec = object({
  servers: array(Server, 1),
  /** Labels of the proxies that serve it; empty: all gateways. */
  selector: optional(labels),
});
export type GatewaySpec = Static<typeof GatewaySpec>;

export const gateway = defineKind({
  name: 'Gateway',
  shortNames: ['gw'],
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: GatewaySpec,
});
