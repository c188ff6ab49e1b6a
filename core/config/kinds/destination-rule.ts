// DestinationRule: a service's subsets, and how to balance over and connect to its endpoints.

import {
  count,
  duration,
  labels,
  nonEmpty,
  percent,
  port,
  portName,
  positiveDuration,
  quote,
  text,
  texts,
  uint32,
  uint64,
  wildcardHost,
} from '../formats.ts';
import { defineKind, type Inventory, type Warn } from '../kind.ts';
import type { Resource } from '../resource.ts';
import {
  array,
  boolean,
  integer,
  map,
  notEnforced,
  number,
  object,
  oneOf,
  optional,
  partly,
  type Static,
  struct,
} from '../schema.ts';
import { checkExportTo, exportTo, NETWORKING, PortSelector } from '../schemas/networking.ts';
import { MatchLabels } from '../schemas/selectors.ts';

const CONSISTENT_HASH = ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'];

/** Envoy's Maglev takes primes below 5000011. */
const tableSize = integer(1, 5_000_010);

export const ConsistentHashLB = object(
  {
    httpHeaderName: optional(nonEmpty),
    httpCookie: optional(
      object({
        name: nonEmpty,
        path: optional(text),
        ttl: optional(duration),
        attributes: optional(array(object({ name: text, value: optional(text) }))),
      }),
    ),
    useSourceIp: optional(boolean),
    httpQueryParameterName: optional(nonEmpty),
    ringHash: optional(object({ minimumRingSize: optional(uint64) })),
    maglev: optional(object({ tableSize: optional(tableSize) })),
    minimumRingSize: optional(uint64),
  },
  {
    exactlyOne: [CONSISTENT_HASH],
    atMostOne: [['ringHash', 'maglev']],
    check({ maglev }, report) {
      const size = maglev?.tableSize;
      if (size === undefined || isPrime(size)) return;
      report.error(['maglev', 'tableSize'], 'range', `${size} is no prime number`);
    },
  },
);
export type ConsistentHashLB = Static<typeof ConsistentHashLB>;

const Failover = object({ from: optional(text), to: optional(text) });

export const LocalityLoadBalancerSetting = object(
  {
    distribute: optional(
      array(
        object(
          { from: nonEmpty, to: map(integer(0, 100)) },
          {
            check({ to }, report) {
              const total = Object.values(to).reduce((sum, share) => sum + share, 0);
              if (total !== 100) report.error(['to'], 'weight', `the shares add up to ${total}, not to 100`);
            },
          },
        ),
      ),
    ),
    failover: optional(array(Failover)),
    failoverPriority: optional(texts),
    enabled: optional(boolean),
  },
  { atMostOne: [['distribute', 'failover']] },
);
export type LocalityLoadBalancerSetting = Static<typeof LocalityLoadBalancerSetting>;

export const LoadBalancerSettings = object(
  {
    simple: partly(
      optional(oneOf('UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST')),
      (value) => (value === 'PASSTHROUGH' ? 'load balancing PASSTHROUGH' : null),
    ),
    consistentHash: notEnforced(optional(ConsistentHashLB), 'load balancing by consistentHash'),
    localityLbSetting: notEnforced(optional(LocalityLoadBalancerSetting), 'locality load balancing'),
    zoneAwareLbSetting: notEnforced(
      optional(
        object({
          enabled: optional(boolean),
          failover: optional(array(Failover)),
          failoverPriority: optional(texts),
          minClusterSize: optional(uint64),
        }),
      ),
    ),
    backendUtilization: notEnforced(optional(struct()), 'load balancing by reported utilization'),
    warmupDurationSecs: notEnforced(optional(duration), 'warm-up of endpoints'),
    warmup: notEnforced(
      optional(
        object({
          duration: positiveDuration,
          minimumPercent: optional(percent),
          aggression: optional(number(0, 1_000_000)),
        }),
      ),
      'warm-up of endpoints',
    ),
  },
  {
    atMostOne: [
      ['simple', 'consistentHash'],
      ['warmup', 'warmupDurationSecs'],
      ['localityLbSetting', 'zoneAwareLbSetting'],
    ],
  },
);
export type LoadBalancerSettings = Static<typeof LoadBalancerSettings>;

export const TCPSettings = object({
  /** 0: not given. */
  maxConnections: optional(count),
  connectTimeout: optional(positiveDuration),
  tcpKeepalive: notEnforced(
    optional(object({ probes: optional(uint32), time: optional(duration), interval: optional(duration) })),
  ),
  maxConnectionDuration: notEnforced(optional(duration)),
  /** 0s: never. */
  idleTimeout: notEnforced(optional(duration)),
});
export type TCPSettings = Static<typeof TCPSettings>;

export const HTTPSettings = object(
  {
    http1MaxPendingRequests: optional(count),
    http2MaxRequests: notEnforced(optional(count)),
    maxRequestsPerConnection: optional(count),
    maxRetries: optional(count),
    idleTimeout: optional(duration),
    h2UpgradePolicy: notEnforced(optional(oneOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE'))),
    useClientProtocol: notEnforced(optional(boolean)),
    maxConcurrentStreams: notEnforced(optional(count)),
    http2KeepAlive: notEnforced(optional(object({ interval: positiveDuration, timeout: positiveDuration }))),
  },
  {
    check({ h2UpgradePolicy, useClientProtocol }, report) {
      if (h2UpgradePolicy !== 'UPGRADE' || useClientProtocol !== true) return;
      report.error(
        ['useClientProtocol'],
        'contradiction',
        'useClientProtocol does not go with h2UpgradePolicy UPGRADE',
      );
    },
  },
);
export type HTTPSettings = Static<typeof HTTPSettings>;

export const ConnectionPoolSettings = object({ tcp: optional(TCPSettings), http: optional(HTTPSettings) });
export type ConnectionPoolSettings = Static<typeof ConnectionPoolSettings>;

export const OutlierDetection = object(
  {
    consecutiveErrors: optional(count),
    splitExternalLocalOriginErrors: optional(boolean),
    consecutiveLocalOriginFailures: optional(uint32),
    consecutiveGatewayErrors: optional(uint32),
    consecutive5xxErrors: optional(uint32),
    interval: optional(positiveDuration),
    baseEjectionTime: optional(positiveDuration),
    maxEjectionPercent: optional(integer(0, 100)),
    minHealthPercent: optional(integer(0, 100)),
    outlierDetectionHttpErrorCodes: optional(array(integer(100, 599))),
  },
  {
    check({ consecutiveLocalOriginFailures, splitExternalLocalOriginErrors }, report) {
      if (!consecutiveLocalOriginFailures || splitExternalLocalOriginErrors === true) return;
      const message = 'consecutiveLocalOriginFailures needs splitExternalLocalOriginErrors: true';
      report.error(['consecutiveLocalOriginFailures'], 'contradiction', message);
    },
  },
);
export type OutlierDetection = Static<typeof OutlierDetection>;

export const ClientTLSSettings = object(
  {
    mode: optional(oneOf('DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL')),
    clientCertificate: optional(text),
    privateKey: optional(text),
    caCertificates: optional(text),
    credentialName: optional(text),
    subjectAltNames: optional(texts),
    sni: optional(text),
    insecureSkipVerify: optional(boolean),
    caCrl: optional(text),
    ecdhCurves: optional(texts),
  },
  {
    check(tls, report) {
      if (tls.mode === 'ISTIO_MUTUAL') {
        for (const field of ['clientCertificate', 'privateKey', 'caCertificates', 'credentialName'] as const) {
          if (tls[field]) {
            report.error(
              [field],
              'contradiction',
              `${field} must not be given: ISTIO_MUTUAL uses the mesh's own certificates`,
            );
          }
        }
      }
      if (tls.mode === 'MUTUAL' && !tls.credentialName) {
        for (const field of ['clientCertificate', 'privateKey'] as const) {
          if (!tls[field]) report.error([], 'required', `mode MUTUAL needs ${field} (or a credentialName)`);
        }
      }
    },
  },
);
export type ClientTLSSettings = Static<typeof ClientTLSSettings>;

const perPort = {
  loadBalancer: optional(LoadBalancerSettings),
  connectionPool: optional(ConnectionPoolSettings),
  outlierDetection: notEnforced(optional(OutlierDetection), 'outlier detection'),
  tls: notEnforced(optional(ClientTLSSettings), ({ mode }) => {
    if (mode === undefined || mode === 'DISABLE') return null;
    return mode === 'ISTIO_MUTUAL' ? 'mutual TLS' : 'TLS origination';
  }),
};

export const TrafficPolicy = object(
  {
    ...perPort,
    portLevelSettings: optional(array(object({ port: PortSelector, ...perPort }))),
    tunnel: notEnforced(
      optional(object({ protocol: optional(oneOf('CONNECT', 'POST')), targetHost: nonEmpty, targetPort: port })),
    ),
    proxyProtocol: notEnforced(optional(object({ version: optional(oneOf('V1', 'V2')) }))),
    retryBudget: optional(
      object({
        percent: optional(percent),
        minRetryConcurrency: optional(uint32),
        budgetInterval: notEnforced(optional(positiveDuration), "a retry budget's interval"),
      }),
    ),
  },
  { atMostOne: [['tunnel', 'proxyProtocol']] },
);
export type TrafficPolicy = Static<typeof TrafficPolicy>;

export const Subset = object({
  name: portName,
  labels: optional(labels),
  trafficPolicy: optional(TrafficPolicy),
});
export type Subset = Static<typeof Subset>;

export const DestinationRuleSpec = object(
  {
    host: wildcardHost,
    trafficPolicy: optional(TrafficPolicy),
    subsets: optional(array(Subset)),
    exportTo,
    /** The callers whom it is for, in its own namespace. */
    workloadSelector: optional(MatchLabels),
  },
  {
    check(spec, report) {
      checkExportTo(spec.exportTo, false, report);
      const names = new Set<string>();
      spec.subsets?.forEach(({ name }, i) => {
        if (names.has(name))
          report.error(['subsets', i, 'name'], 'duplicate', `the subset ${quote(name)} is defined twice`);
        names.add(name);
      });
    },
  },
);
export type DestinationRuleSpec = Static<typeof DestinationRuleSpec>;

export const destinationRule = defineKind({
  name: 'DestinationRule',
  shortNames: ['dr'],
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: DestinationRuleSpec,
  declares({ metadata, spec }, to) {
    const names = (spec.subsets ?? []).map(({ name }) => name);
    to.subsets(spec.host, metadata.namespace, names);
  },
  references({ metadata, spec: { host } }, inventory, warn) {
    if (inventory.covers(inventory.resolve(host, metadata.namespace))) return;
    warn('IST0174', ['spec', 'host'], `the host "${host}" of the DestinationRule matches no service of the mesh`);
  },
  conflicts,
});

/** Rules for one host are one rule: what an earlier one says already does not count in a later one. */
function conflicts(
  rules: readonly Resource<DestinationRuleSpec>[],
  inventory: Inventory,
  warn: (resource: Resource, ...warning: Parameters<Warn>) => void,
): void {
  const hosts = new Map<string, Resource<DestinationRuleSpec>[]>();
  for (const rule of rules.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))) {
    const { namespace } = rule.metadata;
    const selector = Object.entries(rule.spec.workloadSelector?.matchLabels ?? {}).sort();
    const key = JSON.stringify([namespace, inventory.resolve(rule.spec.host, namespace), selector]);
    const earlier = hosts.get(key) ?? [];
    hosts.set(key, [...earlier, rule]);
    const shaping = rule.spec.trafficPolicy && earlier.find(({ spec }) => spec.trafficPolicy !== undefined);
    if (shaping !== undefined) {
      const message = `the trafficPolicy has no effect: that of the DestinationRule ${namespace}/${shaping.metadata.name} for the same host counts`;
      warn(rule, 'duplicate', ['spec', 'trafficPolicy'], message);
    }
    rule.spec.subsets?.forEach(({ name }, i) => {
      const first = earlier.find(({ spec }) => spec.subsets?.some((subset) => subset.name === name));
      if (first === undefined) return;
      const message = `the subset ${quote(name)} has no effect: that of the DestinationRule ${namespace}/${first.metadata.name} for the same host counts`;
      warn(rule, 'duplicate', ['spec', 'subsets', i], message);
    });
  }
}

function isPrime(value: number): boolean {
  for (let factor = 2; factor * factor <= value; factor++) if (value % factor === 0) return false;
  return value > 1;
}
