// Istio's Gateway: the ports and hosts that a gateway proxy serves. (The Gateway API's kind of the same name is in
// gateway-api-gateway.ts.)

import { bindAddress, isUnixSocket } from '../addresses.ts';
import { carriedAs, carriedPorts } from '../carried-servers.ts';
import { endsTls } from '../ends-tls.ts';
import { labels, nonEmpty, portOrZero, quote, text } from '../formats.ts';
import { hostFault } from '../hosts.ts';
import { defineKind, type Inventory, type Warn } from '../kind.ts';
import type { Resource } from '../resource.ts';
import {
  array,
  defaulted,
  informative,
  notEnforced,
  object,
  optional,
  partly,
  type Report,
  type Static,
  string,
} from '../schema.ts';
import { NETWORKING } from '../schemas/networking.ts';
import { isHttp, isTls, protocolName, unenforcedProtocol } from '../schemas/port.ts';
import { carriesBytes } from '../schemas/port-protocol.ts';
import { ServerTLSSettings } from '../schemas/server-tls.ts';

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
    if (host !== '*' && !host.includes('.'))
      return `${quote(host)} is no host of a gateway: it has to be written in full`;
    if (/^\*[^.]/.test(host)) return `${quote(host)} is no host of a gateway: a wildcard stands for whole labels`;
    return hostFault(host, { wildcard: true });
  },
});

/** Is what is sent to the server to be encrypted? */
export function asksForTls(protocol: string | undefined, tls: ServerTLSSettings | undefined): boolean {
  if (isTls(protocol)) return true;
  const { mode = 'PASSTHROUGH', serverCertificate, privateKey, caCertificates } = tls ?? {};
  return mode !== 'PASSTHROUGH' || Boolean(serverCertificate || privateKey || caCertificates);
}

/** Only a server on a Unix socket has no number. */
const ServerPort = object({
  number: defaulted(portOrZero, 0),
  protocol: string({
    code: protocolName.code,
    check: (value) => (value === '' ? 'a server port needs a protocol' : protocolName.check(value)),
  }),
  name: informative(nonEmpty),
});

export const Server = object(
  {
    port: partly(ServerPort, ({ protocol }) =>
      (unenforcedProtocol(protocol) === null && !carriesBytes(protocol)) || protocol.toUpperCase() === 'HTTPS'
        ? null
        : `${protocol.toUpperCase()} servers of a gateway`,
    ),
    bind: partly(optional(bindAddress), (bind) => (isUnixSocket(bind) ? 'listening on Unix sockets' : null)),
    hosts: array(gatewayHost, 1),
    tls: optional(ServerTLSSettings),
    defaultEndpoint: notEnforced(optional(text)),
    name: informative(optional(text)),
  },
  {
    check({ port: { number, protocol }, bind = '', tls }, report) {
      if (isUnixSocket(bind) && number > 0) {
        report.error(['port', 'number'], 'contradiction', 'a Unix socket has no port: write 0');
      } else if (!isUnixSocket(bind) && number === 0) {
        report.error(
          ['port', 'number'],
          'range',
          'a server needs a port from 1 to 65535 (only a Unix socket has none)',
        );
      }
      checkTls(protocol, tls, report);
    },
  },
);
export type Server = Static<typeof Server>;

function checkTls(protocol: string, tls: ServerTLSSettings | undefined, report: Report): void {
  const name = protocol.toUpperCase();
  if (isTls(name)) {
    if (tls === undefined) report.error([], 'required', `a server with protocol ${name} needs tls settings`);
    else if (tls.httpsRedirect === true) {
      report.warning(
        ['tls', 'httpsRedirect'],
        'tls',
        'httpsRedirect is for servers of plain HTTP: here is nothing to redirect',
      );
    }
    return;
  }
  if (tls === undefined) return;
  const { mode = 'PASSTHROUGH', serverCertificate, privateKey, caCertificates } = tls;
  const encrypted = !mode.endsWith('PASSTHROUGH') || serverCertificate || privateKey || caCertificates;
  if (isHttp(name) && !encrypted) return;
  const rest = isHttp(name) ? 'of the settings only httpsRedirect goes with it' : 'leave the settings out';
  report.error(['tls'], 'contradiction', `a server with protocol ${name} has no TLS: ${rest}`);
}

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
        const { name } = port;
        if (names.has(name))
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
  check({ metadata: { name } }, report) {
    if (name.includes('.')) {
      report.error(['metadata', 'name'], 'name', `${quote(name)} is no name of a Gateway, which is one label: no dots`);
    }
  },
  references({ spec }, _, warn) {
    const ended = new Set(spec.servers.filter(endsTls).map(({ port }) => port.number));
    const carried = carriedPorts(spec.servers);
    for (const [i, server] of spec.servers.entries()) {
      const { port, tls } = server;
      const { number } = port;
      if (endsTls(server) || carried.has(number)) continue;
      const message = asksForTls(port.protocol, tls)
        ? `${ended.has(number) ? `the server is not served on port ${number}` : `port ${number} is not opened`}: TLS is asked for on it that is not ended there, which is not served yet, and nothing is served in plain text in its place`
        : `the server is not served: another one asks for ${ended.has(number) ? 'TLS' : 'something else'} on port ${number}, and nothing is served in plain text beside it`;
      const apart = ended.has(number) || carriedAs(server) !== null;
      if (asksForTls(port.protocol, tls) || apart) warn('tls', ['spec', 'servers', i], message);
    }
  },
  groups,
  conflicts,
});

/** Those with one selector that open the same port. */
function groups({ spec }: Resource<GatewaySpec>): readonly string[] {
  const selector = JSON.stringify(Object.entries(spec.selector ?? {}).sort());
  return [...new Set(spec.servers.map(({ port }) => `${port.number} ${selector}`))];
}

/**
 * IST0145: two Gateways with one selector that serve the same host on the same port. '*' beside a named host is no conflict: the
 * more exact one wins.
 */
function conflicts(
  gateways: readonly Resource<GatewaySpec>[],
  group: string,
  _: Inventory,
  warn: (resource: Resource, ...warning: Parameters<Warn>) => void,
): void {
  const number = Number.parseInt(group, 10);
  const served = (one: Resource<GatewaySpec>): Server[] =>
    one.spec.servers.filter(({ port }) => port.number === number);
  /** Places in the list of the first and of the second one that serve a host. */
  const owners = new Map<string, number[]>();
  for (const [at, one] of gateways.entries()) {
    for (const host of new Set(served(one).flatMap(({ hosts }) => hosts))) {
      const known = owners.get(host);
      if (known === undefined) owners.set(host, [at]);
      else if (known.length < 2) known.push(at);
    }
  }
  for (const [at, one] of gateways.entries()) {
    for (const [i, server] of one.spec.servers.entries()) {
      if (server.port.number !== number) continue;
      const others = server.hosts.flatMap((host) => owners.get(host)!.find((each) => each !== at) ?? []);
      if (others.length === 0) continue;
      const { namespace, name } = gateways[Math.min(...others)].metadata;
      const message = `the Gateway ${namespace}/${name} serves the same hosts on port ${number} of the same proxies`;
      warn(one, 'IST0145', ['spec', 'servers', i], message);
    }
  }
}
