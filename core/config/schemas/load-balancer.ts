// How a DestinationRule spreads requests over endpoints: algorithms, consistent hashing, localities, warm-up. Istio's rules of
// what goes together.

import {
  duration,
  headerNameRule,
  nonEmpty,
  percent,
  positiveDuration,
  quote,
  text,
  texts,
  uint64,
} from '../formats.ts';
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
  type Report,
  type Static,
  string,
  struct,
} from '../schema.ts';

/** Envoy's Maglev takes primes below 5000011. */
const tableSize = integer(1, 5_000_010);

/** What goes between semicolons of Set-Cookie. */
const cookieAttribute = object({
  name: string(headerNameRule),
  value: optional(
    string({
      code: 'cookie',
      check: (value) =>
        /^[\x20-\x3a\x3c-\x7e]*$/.test(value) ? null : `${quote(value)} is no value of a cookie's attribute`,
    }),
  ),
});

const httpCookie = object(
  {
    name: nonEmpty,
    path: optional(text),
    /** 0s: until the browser is closed. */
    ttl: optional(duration),
    attributes: optional(array(cookieAttribute)),
  },
  {
    check({ attributes = [] }, report) {
      const names = attributes.map(({ name }) => name.toLowerCase());
      names.forEach((name, i) => {
        if (names.indexOf(name) < i) {
          report.error(
            ['attributes', i, 'name'],
            'duplicate',
            `the attribute ${quote(attributes[i].name)} is given twice`,
          );
        }
      });
    },
  },
);

export const ConsistentHashLB = object(
  {
    httpHeaderName: optional(nonEmpty),
    httpCookie: optional(httpCookie),
    useSourceIp: optional(boolean),
    httpQueryParameterName: optional(nonEmpty),
    ringHash: optional(object({ minimumRingSize: optional(uint64) })),
    maglev: optional(object({ tableSize })),
    minimumRingSize: optional(uint64),
  },
  {
    atMostOne: [
      ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'],
      ['ringHash', 'maglev'],
    ],
    check({ ringHash, maglev, minimumRingSize }, report) {
      if (maglev !== undefined && !isPrime(maglev.tableSize)) {
        report.error(['maglev', 'tableSize'], 'range', `${maglev.tableSize} is no prime number`);
      }
      if (!minimumRingSize) return;
      if (ringHash !== undefined || maglev !== undefined) {
        const message = 'minimumRingSize is the old way to write ringHash: write ringHash or maglev alone';
        report.error(['minimumRingSize'], 'contradiction', message);
      } else report.warning(['minimumRingSize'], 'deprecated', 'write ringHash: {minimumRingSize: ...}');
    },
  },
);
export type ConsistentHashLB = Static<typeof ConsistentHashLB>;

/** Of regions. */
const Failover = object(
  { from: optional(text), to: optional(text) },
  {
    check({ from = '', to = '' }, report) {
      if (from === to) report.error([], 'contradiction', 'a failover leads from one region to another');
      for (const [field, region] of Object.entries({ from, to })) {
        if (/[/*]/.test(region))
          report.error([field], 'locality', `${quote(region)} is no region: no zones, no wildcards`);
      }
    },
  },
);

const Distribute = object(
  { from: text, to: map(integer(1, 100)) },
  {
    check({ to }, report) {
      const total = Object.values(to).reduce((sum, share) => sum + share, 0);
      if (total !== 100) report.error(['to'], 'weight', `the shares add up to ${total}, not to 100`);
      checkLocalities(Object.keys(to), (name) => ['to', name], report);
    },
  },
);

const TOPOLOGY = ['topology.kubernetes.io/region', 'topology.kubernetes.io/zone', 'topology.istio.io/subzone'];

export const LocalityLoadBalancerSetting = object(
  {
    distribute: optional(array(Distribute)),
    failover: optional(array(Failover)),
    failoverPriority: optional(texts),
    enabled: optional(boolean),
  },
  {
    atMostOne: [['distribute', 'failover']],
    check({ distribute = [], failover = [], failoverPriority = [] }, report) {
      checkLocalities(
        distribute.map(({ from }) => from),
        (_, i) => ['distribute', i, 'from'],
        report,
      );
      failoverPriority.forEach((label, i) => {
        if (failover.length === 0 || !TOPOLOGY.includes(label)) return;
        report.error(
          ['failoverPriority', i],
          'contradiction',
          `failover decides over regions: ${quote(label)} does not go with it`,
        );
      });
    },
  },
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
    warmupDurationSecs: notEnforced(optional(positiveDuration), 'warm-up of endpoints'),
    warmup: notEnforced(
      optional(
        object({
          duration: positiveDuration,
          minimumPercent: optional(percent),
          aggression: optional(number(1, 1_000_000)),
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

/** Failover begins with endpoints that are found to be ill. */
export function checkFailover(
  loadBalancer: LoadBalancerSettings | undefined,
  outlierDetection: object | undefined,
  report: Report,
): void {
  const { failover = [], failoverPriority = [] } = loadBalancer?.localityLbSetting ?? {};
  if (failover.length + failoverPriority.length === 0 || outlierDetection !== undefined) return;
  const message = 'failover needs outlierDetection: without it no endpoint is ever found to be ill';
  report.warning(['loadBalancer', 'localityLbSetting'], 'required', message);
}

/** 'region', 'region/zone' or 'region/zone/subzone', the last with a wildcard; none is part of an earlier one. */
function checkLocalities(
  localities: readonly string[],
  at: (locality: string, index: number) => readonly (string | number)[],
  report: Report,
): void {
  localities.forEach((locality, i) => {
    const parts = locality.split('/');
    const before = localities.slice(0, i);
    const fault = parts.includes('')
      ? 'a region, zone or subzone of it is empty'
      : locality.slice(0, -1).includes('*')
        ? 'a wildcard stands at its end'
        : before.some((other) => coversLocality(other, locality) || coversLocality(locality, other))
          ? 'it overlaps with one before it'
          : null;
    if (fault !== null) report.error(at(locality, i), 'locality', `${quote(locality)} is no locality here: ${fault}`);
  });
}

function coversLocality(outer: string, inner: string): boolean {
  return outer === '*' || outer === inner || inner.startsWith(`${outer}/`);
}

function isPrime(value: number): boolean {
  for (let factor = 2; factor * factor <= value; factor++) if (value % factor === 0) return false;
  return value > 1;
}
