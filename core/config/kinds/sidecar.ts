// Sidecar: which hosts the proxies of a namespace need to know of, and on what they listen.

import { isIP } from 'node:net';
import { isUnixSocket, listenAddress, unixSocketFault } from '../addresses.ts';
import { quote } from '../formats.ts';
import { nameFault, plainHost } from '../hosts.ts';
import { defineKind, type Inventory, notFound, type Warn } from '../kind.ts';
import type { Resource } from '../resource.ts';
import { array, notEnforced, object, oneOf, optional, partly, type Report, type Static, string } from '../schema.ts';
import { Destination } from '../schemas/destination.ts';
import { NETWORKING } from '../schemas/networking.ts';
import { isHttp, isTls, SidecarPort } from '../schemas/port.ts';
import { WorkloadSelector } from '../schemas/selectors.ts';
import { ServerTLSSettings } from '../schemas/server-tls.ts';
import { ConnectionPoolSettings } from './destination-rule.ts';

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
    const host = value.slice(slash + 1);
    if (host !== '*' && !host.includes('.')) return `${quote(host)} has to be written in full`;
    if (/^\*[^.]/.test(host)) return `${quote(host)}: a wildcard stands for whole labels`;
    return nameFault(host, { wildcard: true });
  },
});

const captureMode = oneOf('DEFAULT', 'IPTABLES', 'NONE');

/** Where the application listens: on this machine. '' = not given. */
const defaultEndpoint = string({
  code: 'address',
  check(value) {
    if (value === '') return null;
    if (isUnixSocket(value)) return unixSocketFault(value);
    const port = /^(?:127\.0\.0\.1|0\.0\.0\.0|\[::1\]|\[::\])?:(\d{1,5})$/.exec(value)?.[1];
    return port !== undefined && Number(port) >= 1 && Number(port) <= 65535
      ? null
      : `${quote(value)} is no endpoint of this machine: 127.0.0.1:port, 0.0.0.0:port, [::1]:port, [::]:port or unix:///path`;
  },
});

const IngressListener = object(
  {
    port: SidecarPort,
    bind: optional(listenAddress),
    captureMode: optional(captureMode),
    defaultEndpoint: optional(defaultEndpoint),
    tls: optional(ServerTLSSettings),
    connectionPool: optional(ConnectionPoolSettings),
  },
  {
    check({ port: { number, protocol }, tls, connectionPool }, report) {
      if (number === undefined) report.error(['port'], 'required', 'number is missing');
      else if (number === 0)
        report.error(['port', 'number'], 'range', 'a listener for requests needs a port from 1 to 65535');
      if (tls !== undefined) checkIngressTls(protocol, tls, report);
      if (connectionPool?.http !== undefined && !isHttp(protocol)) {
        const message = `settings of HTTP have no effect on a port of ${protocol ? protocol.toUpperCase() : 'no protocol'}`;
        report.warning(['connectionPool', 'http'], 'contradiction', message);
      }
    },
  },
);

function checkIngressTls(protocol: string | undefined, tls: ServerTLSSettings, report: Report): void {
  if (!isTls(protocol)) {
    report.error(['tls'], 'contradiction', 'tls is for ports of protocol HTTPS or TLS');
    return;
  }
  if (tls.mode === 'ISTIO_MUTUAL' || tls.mode === 'AUTO_PASSTHROUGH') {
    report.error(['tls', 'mode'], 'contradiction', `mode ${tls.mode} is for gateways`);
  }
  for (const field of ['subjectAltNames', 'credentialNames', 'tlsCertificates', 'credentialName'] as const) {
    if (tls[field]?.length)
      report.error(['tls', field], 'contradiction', `${field} is for gateways: write serverCertificate and privateKey`);
  }
  if (tls.httpsRedirect === true)
    report.error(['tls', 'httpsRedirect'], 'contradiction', 'httpsRedirect is for gateways');
}

const OWN_LISTENER = 'listening elsewhere than at the outbound port';

/** Requests arrive at the one outbound port, whichever port they are for: that is what the listener's hosts are read for. */
function listenerOfItsOwn(port: SidecarPort | undefined): string | null {
  return port === undefined || port.protocol?.toUpperCase() === 'HTTP' ? null : OWN_LISTENER;
}

const EgressListener = object(
  {
    port: partly(optional(SidecarPort), listenerOfItsOwn),
    bind: notEnforced(optional(string()), (bind) => (bind === '' ? null : OWN_LISTENER)),
    captureMode: notEnforced(optional(captureMode), (mode) => (mode === 'IPTABLES' ? 'captured traffic' : null)),
    hosts: array(egressHost, 1),
  },
  {
    check({ port, bind = '', captureMode }, report) {
      if (port === undefined) return;
      if ((port.number ?? 0) > 0) {
        if (bind !== '' && isIP(bind) === 0) {
          report.error(['bind'], 'address', `${quote(bind)} is no IP address, which a listener with a port needs`);
        }
        return;
      }
      const fault = isUnixSocket(bind)
        ? unixSocketFault(bind)
        : 'a listener without a port needs a Unix socket: unix:///path';
      if (fault !== null) report.error(['bind'], 'address', fault);
      if (captureMode === 'IPTABLES') {
        report.error(['captureMode'], 'contradiction', 'nothing is captured for a Unix socket: write NONE');
      }
    },
  },
);

const OutboundTrafficPolicy = object(
  { mode: optional(oneOf('REGISTRY_ONLY', 'ALLOW_ANY')), egressProxy: notEnforced(optional(Destination)) },
  {
    check({ mode, egressProxy }, report) {
      if (egressProxy === undefined) return;
      if (mode !== 'ALLOW_ANY') report.error(['egressProxy'], 'contradiction', 'egressProxy needs mode ALLOW_ANY');
      else if (egressProxy.port === undefined) report.error(['egressProxy'], 'required', 'port is missing');
      const fault = nameFault(egressProxy.host, { wildcard: false });
      if (fault !== null) report.error(['egressProxy', 'host'], 'host', fault);
    },
  },
);

export const SidecarSpec = object(
  {
    workloadSelector: optional(WorkloadSelector),
    ingress: notEnforced(optional(array(IngressListener))),
    egress: optional(array(EgressListener)),
    inboundConnectionPool: notEnforced(optional(ConnectionPoolSettings)),
    outboundTrafficPolicy: optional(OutboundTrafficPolicy),
  },
  {
    check({ ingress = [], egress = [], inboundConnectionPool, outboundTrafficPolicy }, report) {
      if (ingress.length + egress.length === 0 && !inboundConnectionPool && !outboundTrafficPolicy) {
        report.error(
          [],
          'required',
          'a Sidecar says something of ingress, egress, outboundTrafficPolicy or inboundConnectionPool',
        );
      }
      eachOnce('ingress', ingress, report);
      eachOnce('egress', egress, report);
      egress.forEach(({ port }, i) => {
        if (port !== undefined || i === egress.length - 1) return;
        report.error(
          ['egress', i],
          'order',
          'a listener without a port takes all that others leave: there is one, the last',
        );
      });
    },
  },
);
export type SidecarSpec = Static<typeof SidecarSpec>;

export const sidecar = defineKind({
  name: 'Sidecar',
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: SidecarSpec,
  check: tellRepeatedHosts,
  references,
  groups,
  conflicts,
});

/** What is imported and not there may be a misspelt name, whose calls are refused. */
function references({ spec }: Resource<SidecarSpec>, inventory: Inventory, warn: Warn): void {
  spec.egress?.forEach(({ hosts }, i) => {
    hosts.forEach((each, j) => {
      const [namespace, host] = each.split('/');
      if (namespace === '~' || host === '*' || inventory.covers(plainHost(host))) return;
      warn('IST0101', ['spec', 'egress', i, 'hosts', j], notFound('host', each));
    });
  });
}

/** One set for each selector in a namespace; without one they are for all. */
function groups({ metadata, spec: { workloadSelector } }: Resource<SidecarSpec>): readonly string[] {
  const labels = Object.entries(workloadSelector?.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  return [`${metadata.namespace}/${workloadSelector === undefined ? '' : `? ${labels.sort().join(',')}`}`];
}

/** IST0110, IST0111: only one Sidecar is for a proxy. */
function conflicts(
  members: readonly Resource<SidecarSpec>[],
  _group: string,
  _inventory: Inventory,
  warn: (resource: Resource, ...warning: Parameters<Warn>) => void,
): void {
  if (members.length < 2) return;
  const names = members.slice(0, MOST_NAMES).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
  const more = members.length > MOST_NAMES ? ` and ${members.length - MOST_NAMES} more` : '';
  const selecting = members[0].spec.workloadSelector !== undefined;
  const alike = selecting ? 'select the same workloads' : 'are for all workloads of their namespace';
  const message = `the Sidecars ${names.join(', ')}${more} ${alike}: the first of them counts`;
  for (const member of members) {
    if (selecting) warn(member, 'IST0110', ['spec', 'workloadSelector'], message);
    else warn(member, 'IST0111', ['metadata', 'name'], message);
  }
}

/** In a message. */
const MOST_NAMES = 20;

/** A port, and a socket, is listened on once. */
function eachOnce(
  side: 'ingress' | 'egress',
  listeners: readonly { readonly port?: SidecarPort; readonly bind?: string }[],
  report: Report,
): void {
  const seen = new Set<number | string>();
  listeners.forEach(({ port, bind = '' }, i) => {
    if (port === undefined) return;
    const number = port.number ?? 0;
    const where = number === 0 ? bind : number;
    if (seen.has(where)) {
      const field = number === 0 ? ['bind'] : ['port', 'number'];
      report.error(
        [side, i, ...field],
        'duplicate',
        `${typeof where === 'number' ? `port ${where}` : where} is listened on twice`,
      );
    }
    seen.add(where);
  });
}

function tellRepeatedHosts({ metadata, spec }: Resource<SidecarSpec>, report: Report): void {
  spec.egress?.forEach(({ hosts }, i) => {
    const seen = new Map<string, Set<string>>();
    hosts.forEach((each, j) => {
      const slash = each.indexOf('/');
      const namespace = slash === 1 && each.startsWith('.') ? metadata.namespace : each.slice(0, slash);
      const host = each.slice(slash + 1);
      const others = seen.get(namespace) ?? new Set();
      if (others.has(host) || others.has('*') || (host === '*' && others.size > 0)) {
        report.warning(
          ['spec', 'egress', i, 'hosts', j],
          'duplicate',
          `${quote(each)} repeats what is listed before it`,
        );
      }
      seen.set(namespace, others.add(host));
    });
    if (seen.get('*')?.has('*') && seen.size > 1) {
      report.warning(['spec', 'egress', i, 'hosts'], 'duplicate', '"*/*" is every host: the others say nothing more');
    }
  });
}
