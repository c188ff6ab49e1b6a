// DestinationRule: a service's subsets, and how to balance over and connect to its endpoints.

import {
  count,
  host,
  labels,
  percent,
  port,
  portName,
  positiveDuration,
  quote,
  uint32,
  wholeDuration,
  wildcardName,
} from '../formats.ts';
import { defineKind, type Inventory, type Warn } from '../kind.ts';
import type { Resource } from '../resource.ts';
import {
  array,
  boolean,
  integer,
  notEnforced,
  object,
  oneOf,
  optional,
  type Report,
  type Static,
  string,
} from '../schema.ts';
import { ClientTLSSettings, checkConfigMap, isConfigMap } from '../schemas/client-tls.ts';
import { checkFailover, LoadBalancerSettings } from '../schemas/load-balancer.ts';
import { checkExportTo, checkOwnExport, exportTo, NETWORKING, PortSelector } from '../schemas/networking.ts';
import { MatchLabels } from '../schemas/selectors.ts';

export const TCPSettings = object({
  /** 0: not given. */
  maxConnections: optional(count),
  connectTimeout: optional(positiveDuration),
  tcpKeepalive: notEnforced(
    optional(
      object({ probes: optional(uint32), time: optional(positiveDuration), interval: optional(positiveDuration) }),
    ),
  ),
  maxConnectionDuration: notEnforced(optional(positiveDuration)),
  /** Of connections that are no HTTP. 0s: never. */
  idleTimeout: optional(wholeDuration),
});
export type TCPSettings = Static<typeof TCPSettings>;

export const HTTPSettings = object(
  {
    http1MaxPendingRequests: optional(count),
    http2MaxRequests: optional(count),
    maxRequestsPerConnection: optional(count),
    maxRetries: optional(count),
    idleTimeout: optional(positiveDuration),
    h2UpgradePolicy: optional(oneOf('DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE')),
    useClientProtocol: optional(boolean),
    maxConcurrentStreams: optional(count),
    http2KeepAlive: optional(object({ interval: positiveDuration, timeout: positiveDuration })),
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

export const ConnectionPoolSettings = object(
  { tcp: optional(TCPSettings), http: optional(HTTPSettings) },
  {
    check(settings, report) {
      if (Object.keys(settings).length === 0)
        report.error([], 'required', 'a connectionPool needs settings of tcp or http');
    },
  },
);
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
    check({ consecutiveErrors, consecutiveLocalOriginFailures, splitExternalLocalOriginErrors }, report) {
      if (consecutiveErrors) {
        const message = 'write consecutiveGatewayErrors or consecutive5xxErrors: consecutiveErrors is their old name';
        report.warning(['consecutiveErrors'], 'deprecated', message);
      }
      if (!consecutiveLocalOriginFailures || splitExternalLocalOriginErrors === true) return;
      const message = 'consecutiveLocalOriginFailures needs splitExternalLocalOriginErrors: true';
      report.error(['consecutiveLocalOriginFailures'], 'contradiction', message);
    },
  },
);
export type OutlierDetection = Static<typeof OutlierDetection>;

const perPort = {
  loadBalancer: optional(LoadBalancerSettings),
  connectionPool: optional(ConnectionPoolSettings),
  outlierDetection: notEnforced(optional(OutlierDetection), 'outlier detection'),
  tls: optional(ClientTLSSettings),
};

const SHAPING = ['loadBalancer', 'connectionPool', 'outlierDetection', 'tls'];

const PortTrafficPolicy = object(
  { port: PortSelector, ...perPort },
  {
    check(policy, report) {
      if (!SHAPING.some((field) => Object.hasOwn(policy, field))) {
        report.error([], 'required', `a policy of a port needs one of ${SHAPING.join(', ')}`);
      }
      checkFailover(policy.loadBalancer, policy.outlierDetection, report);
    },
  },
);

/** '' = CONNECT. */
const tunnelProtocol = string({
  code: 'enum',
  check: (value) =>
    ['', 'CONNECT', 'POST'].includes(value) ? null : `${quote(value)} makes no tunnel: CONNECT or POST`,
});

export const TrafficPolicy = object(
  {
    ...perPort,
    portLevelSettings: optional(array(PortTrafficPolicy)),
    tunnel: notEnforced(optional(object({ protocol: optional(tunnelProtocol), targetHost: host, targetPort: port }))),
    /** Connections begin with a header that names the client. Left out: V1. */
    proxyProtocol: optional(object({ version: optional(oneOf('V1', 'V2')) })),
    retryBudget: optional(
      object({
        percent: optional(percent),
        minRetryConcurrency: optional(uint32),
        budgetInterval: notEnforced(optional(positiveDuration), "a retry budget's interval"),
      }),
    ),
  },
  {
    atMostOne: [['tunnel', 'proxyProtocol']],
    check(policy, report) {
      if (Object.keys(policy).length === 0) report.error([], 'required', 'a trafficPolicy needs at least one field');
      checkFailover(policy.loadBalancer, policy.outlierDetection, report);
    },
  },
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
    host: wildcardName,
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
  check(rule, report) {
    const { metadata, spec } = rule;
    checkOwnExport(rule, report);
    if (spec.workloadSelector !== undefined) checkSelectorsExport(rule, report);
    const policies = [
      [spec.trafficPolicy, ['spec', 'trafficPolicy']] as const,
      ...(spec.subsets ?? []).map(
        ({ trafficPolicy }, i) => [trafficPolicy, ['spec', 'subsets', i, 'trafficPolicy']] as const,
      ),
    ];
    for (const [policy, at] of policies) {
      const levels = [
        [policy?.tls, at] as const,
        ...(policy?.portLevelSettings ?? []).map(({ tls }, i) => [tls, [...at, 'portLevelSettings', i]] as const),
      ];
      for (const [tls, at] of levels) {
        checkConfigMap(tls, metadata.namespace, at, report);
        if (spec.workloadSelector === undefined) warnOfSecret(tls, at, report);
      }
    }
  },
  declares({ metadata, spec }, to) {
    const names = (spec.subsets ?? []).map(({ name }) => name);
    to.subsets(spec.host, metadata.namespace, names);
  },
  references({ metadata, spec: { host } }, inventory, warn) {
    if (inventory.covers(inventory.resolve(host, metadata.namespace))) return;
    warn('IST0174', ['spec', 'host'], `the host "${host}" of the DestinationRule matches no service of the mesh`);
  },
  groups,
  conflicts,
});

/** Whom a rule selects is in its own namespace. */
function checkSelectorsExport({ metadata, spec }: Resource<DestinationRuleSpec>, report: Report): void {
  spec.exportTo?.forEach((to, i) => {
    if (to === '.' || to === metadata.namespace) return;
    const message = `a rule with a workloadSelector is for its own namespace: write '.', not ${quote(to)}`;
    report.error(['spec', 'exportTo', i], 'contradiction', message);
  });
}

/** As in Istio. */
function warnOfSecret(tls: ClientTLSSettings | undefined, at: readonly (string | number)[], report: Report): void {
  const { mode, credentialName = '' } = tls ?? {};
  if (credentialName === '' || isConfigMap(credentialName) || (mode !== 'SIMPLE' && mode !== 'MUTUAL')) return;
  const message = 'gateways alone have the secret: sidecars send nothing, but where a workloadSelector names them';
  report.warning([...at, 'tls', 'credentialName'], 'tls', message);
}

/** Rules of a namespace for one host, and for the same workloads. */
function groups(
  { metadata: { namespace }, spec }: Resource<DestinationRuleSpec>,
  inventory: Inventory,
): readonly string[] {
  const selector = Object.entries(spec.workloadSelector?.matchLabels ?? {}).sort();
  return [JSON.stringify([namespace, inventory.resolve(spec.host, namespace), selector])];
}

/** Rules for one host are one rule: what an earlier one says already does not count in a later one. */
function conflicts(
  rules: readonly Resource<DestinationRuleSpec>[],
  _group: string,
  _inventory: Inventory,
  warn: (resource: Resource, ...warning: Parameters<Warn>) => void,
): void {
  let shaping: Resource<DestinationRuleSpec> | null = null;
  const owners = new Map<string, Resource<DestinationRuleSpec>>();
  for (const rule of rules) {
    const { metadata, spec } = rule;
    if (shaping !== null && spec.trafficPolicy !== undefined) {
      const message = `the trafficPolicy has no effect: that of the DestinationRule ${nameOf(shaping)} for the same host counts`;
      warn(rule, 'duplicate', ['spec', 'trafficPolicy'], message);
    }
    if (spec.trafficPolicy !== undefined) shaping ??= rule;
    spec.subsets?.forEach(({ name }, i) => {
      const first = owners.get(name);
      if (first === undefined || first.metadata.name === metadata.name) {
        owners.set(name, rule);
        return;
      }
      const message = `the subset ${quote(name)} has no effect: that of the DestinationRule ${nameOf(first)} for the same host counts`;
      warn(rule, 'duplicate', ['spec', 'subsets', i], message);
    });
  }
}

function nameOf({ metadata: { namespace, name } }: Resource): string {
  return `${namespace}/${name}`;
}
