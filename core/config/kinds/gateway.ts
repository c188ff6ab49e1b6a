// Istio's Gateway: the ports and hosts that a gateway proxy serves. (The Gateway API's kind of the same name is in
// gateway-api-gateway.ts.)

import { isIP } from 'node:net';
import { labels, quote, text, texts } from '../formats.ts';
import { hostFault, plainHost } from '../hosts.ts';
import { defineKind, type Inventory, type Warn } from '../kind.ts';
import type { Resource } from '../resource.ts';
import {
  array,
  boolean,
  informative,
  notEnforced,
  object,
  oneOf,
  optional,
  partly,
  type Static,
  string,
  type TSchema,
} from '../schema.ts';
import { NETWORKING } from '../schemas/networking.ts';
import { portFields } from '../schemas/port.ts';

const tlsVersion = oneOf('TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3');

const TLS = 'TLS at a gateway';
const certificate = {
  serverCertificate: optional(text),
  privateKey: optional(text),
  caCertificates: optional(text),
};
const unserved = <Type extends TSchema>(schema: Type) => notEnforced(optional(schema), TLS);

export const ServerTLSSettings = object(
  {
    /** Every request is sent to the same place by https. */
    httpsRedirect: optional(boolean),
    /** Left out: PASSTHROUGH. */
    mode: partly(
      optional(oneOf('PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL')),
      (mode) => (mode === 'PASSTHROUGH' ? null : TLS),
    ),
    serverCertificate: unserved(text),
    privateKey: unserved(text),
    caCertificates: unserved(text),
    caCrl: unserved(text),
    credentialName: unserved(text),
    credentialNames: unserved(texts),
    caCertCredentialName: unserved(text),
    tlsCertificates: unserved(array(object(certificate))),
    subjectAltNames: unserved(texts),
    verifyCertificateSpki: unserved(texts),
    verifyCertificateHash: unserved(texts),
    minProtocolVersion: unserved(tlsVersion),
    maxProtocolVersion: unserved(tlsVersion),
    cipherSuites: unserved(texts),
    ecdhCurves: unserved(texts),
    insecureSkipVerify: unserved(boolean),
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
    const host = value.slice(slash + 1);
    if (host !== '*' && !/[.:]/.test(host))
      return `${quote(host)} is no host of a gateway: it has to be written in full`;
    if (/^\*[^-.]/.test(host)) return `${quote(host)} is no host of a gateway: a wildcard stands for whole labels`;
    return hostFault(host, { wildcard: true });
  },
});

/**
 * The host of a server as it is for VirtualServices of a namespace, in lower case; or null: they may not bind to it. '.'
 * before the '/' is the Gateway's own namespace.
 */
export function boundHost(server: string, owner: string, namespace: string): string | null {
  const slash = server.indexOf('/');
  const scope = slash < 0 ? '*' : server.slice(0, slash);
  if (scope !== '*' && (scope === '.' ? owner : scope) !== namespace) return null;
  return plainHost(server.slice(slash + 1));
}

/** Is what is sent to the server to be encrypted? */
export function asksForTls(protocol: string | undefined, tls: ServerTLSSettings | undefined): boolean {
  if (['HTTPS', 'TLS'].includes((protocol ?? '').toUpperCase())) return true;
  const { mode = 'PASSTHROUGH', serverCertificate, privateKey, caCertificates } = tls ?? {};
  return mode !== 'PASSTHROUGH' || Boolean(serverCertificate || privateKey || caCertificates);
}

const ServerPort = object({
  ...portFields,
  name: informative(optional(text)),
  targetPort: notEnforced(portFields.targetPort),
});

const bindAddress = string({
  code: 'address',
  check: (value) =>
    value === '' || value.startsWith('unix:///') || isIP(value) !== 0
      ? null
      : `${quote(value)} is no address to listen on: an IP address`,
});

export const Server = object(
  {
    port: partly(ServerPort, ({ protocol = '' }) =>
      protocol.toUpperCase() === 'HTTP' ? null : `${protocol.toUpperCase()} servers of a gateway`,
    ),
    bind: partly(optional(bindAddress), (bind) => (bind.startsWith('unix://') ? 'listening on Unix sockets' : null)),
    hosts: array(gatewayHost, 1),
    tls: optional(ServerTLSSettings),
    defaultEndpoint: notEnforced(optional(text)),
    name: informative(optional(text)),
  },
  {
    check(server, report) {
      const name = server.port.protocol?.toUpperCase();
      if (!name) report.error(['port'], 'required', 'a server port needs a protocol');
      if ((name === 'HTTPS' || name === 'TLS') && !server.tls) {
        report.error([], 'required', `a server with protocol ${name} needs tls settings`);
      }
      if (name !== undefined && !asksForTls(server.port.protocol, undefined) && asksForTls(name, server.tls)) {
        const message = `a server with protocol ${name} has no TLS: of the settings only httpsRedirect goes with it`;
        report.error(['tls'], 'contradiction', message);
      }
    },
  },
);
export type Server = Static<typeof Server>;

export const GatewaySpec = object(
  {
    servers: array(Server, 1),
    /** Labels of the proxies that serve it; empty: all gateways. */
    selector: optional(labels),
  },
  {
    check({ servers }, report) {
      const names = new Set<string>();
      for (const [i, { port }] of servers.entries()) {
        const { name = '' } = port;
        if (name !== '' && names.has(name))
          report.error(['servers', i, 'port', 'name'], 'duplicate', `the port name ${quote(name)} is used twice`);
        names.add(name);
      }
    },
  },
);
export type GatewaySpec = Static<typeof GatewaySpec>;

export const gateway = defineKind({
  name: 'Gateway',
  shortNames: ['gw'],
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: GatewaySpec,
  references({ spec }, _, warn) {
    for (const [i, { port, tls }] of spec.servers.entries()) {
      if (!asksForTls(port.protocol, tls)) continue;
      const message = `port ${port.number} is not opened: TLS is asked for on it and not served yet, and nothing is served in plain text in its place`;
      warn('tls', ['spec', 'servers', i], message);
    }
  },
  conflicts,
});

/** IST0145: two Gateways with one selector that serve the same host on the same port. */
function conflicts(
  gateways: readonly Resource<GatewaySpec>[],
  _: Inventory,
  warn: (resource: Resource, ...warning: Parameters<Warn>) => void,
): void {
  const groups = new Map<string, Resource<GatewaySpec>[]>();
  for (const one of gateways) {
    const selector = JSON.stringify(Object.entries(one.spec.selector ?? {}).sort());
    const group = groups.get(selector);
    if (group === undefined) groups.set(selector, [one]);
    else group.push(one);
  }
  for (const group of groups.values()) {
    for (const one of group) {
      one.spec.servers.forEach((server, i) => {
        const other = group.find((each) => each !== one && each.spec.servers.some((its) => clash(server, its)));
        if (other === undefined) return;
        const { namespace, name } = other.metadata;
        const message = `the Gateway ${namespace}/${name} serves the same hosts on port ${server.port.number} of the same proxies`;
        warn(one, 'IST0145', ['spec', 'servers', i], message);
      });
    }
  }
}

function clash(left: Server, right: Server): boolean {
  // '*' beside a named host is no conflict: the more exact one wins.
  return left.port.number === right.port.number && left.hosts.some((host) => right.hosts.includes(host));
}
