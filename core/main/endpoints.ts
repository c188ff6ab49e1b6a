// Endpoints as leases carry them: what this proxy says of its own workload, and what it believes of others.

import { hostPort, withoutBrackets } from '../host-port.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import type { Node, Served, WorkloadEndpoint } from '../workload.ts';

/** Of one workload; more are ignored. */
const MAX_ENDPOINTS = 64;
/** 'http://127.1.0.5:15000', as each says of itself: a whole mesh of them is read at once. */
const ADMIN = /^http:\/\/(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z._-]+):(\d{1,5})\/?$/;

/**
 * What others are told of this workload. `reached`: where requests for it arrive, or null while it takes none. An own
 * address without services still says who dials from there. `listeners`: of a gateway that takes requests. `tls`: whether mutual
 * TLS is taken where requests arrive.
 */
export function ownEndpoints(
  node: Node,
  reached: { address: string; port: number } | null,
  listeners: readonly ListenerSpec[] = [],
  tls = false,
): WorkloadEndpoint[] {
  const { id, name, workload, namespace, serviceAccount, trustDomain, labels, services, address, app } = node;
  const who = { id, name, workload, namespace, serviceAccount, trustDomain, labels, weight: 1, locality: '' };
  if (reached !== null) {
    return [
      { ...who, services, address: reached.address, port: reached.port, appPort: app?.port ?? reached.port, tls },
    ];
  }
  const dials = address === '' ? [] : [{ ...who, services: [], address, port: 0, appPort: -1 }];
  const gateways = listeners.filter(({ kind }) => kind === 'gateway').slice(0, MAX_ENDPOINTS - 1);
  return [
    ...dials,
    ...gateways.map(({ address: bound, port, configuredPort }) => {
      const everywhere = bound === '0.0.0.0' || bound === '::';
      const at = everywhere ? address || '127.0.0.1' : bound;
      return { ...who, services: [], address: at, port, appPort: configuredPort, gateway: true };
    }),
  ];
}

/** What the endpoint log says of one proxy: of the wrong shape it is as if it were not there. */
export function readServed(value: unknown): Served {
  const { endpoints, admin } = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const [, host, port] = typeof admin === 'string' ? (ADMIN.exec(admin) ?? []) : [];
  return {
    endpoints: Array.isArray(endpoints) ? readEndpoints(endpoints.slice(0, MAX_ENDPOINTS)) : [],
    admin:
      host === undefined || !isInteger(Number(port), 1, 65535) ? null : hostPort(withoutBrackets(host), Number(port)),
  };
}

/** What comes from another process or a disk: of the wrong shape it is as if it were not there. */
export function readEndpoints(values: readonly unknown[]): WorkloadEndpoint[] {
  return values.filter(isEndpoint);
}

/** As they are known of one run: each is said by whom it is of. */
export function servedBy(endpoints: readonly WorkloadEndpoint[]): (readonly [key: string, served: Served])[] {
  const byId = Map.groupBy(endpoints, ({ id }) => id);
  return [...byId].map(([id, own]) => [id, { endpoints: own, admin: null }] as const);
}

function isEndpoint(value: unknown): value is WorkloadEndpoint {
  const endpoint = value as Partial<Record<keyof WorkloadEndpoint, unknown>> | null;
  if (typeof endpoint !== 'object' || endpoint === null) return false;
  const { services, only, labels, port, appPort, weight } = endpoint;
  return (
    TEXTS.every((key) => typeof endpoint[key] === 'string') &&
    isInteger(port, 0, 65535) &&
    isInteger(appPort, -1, 65535) &&
    endpoint.ports === undefined &&
    (endpoint.gateway === undefined || typeof endpoint.gateway === 'boolean') &&
    (endpoint.tls === undefined || typeof endpoint.tls === 'boolean') &&
    typeof weight === 'number' &&
    weight >= 0 &&
    areTexts(services) &&
    (only === undefined || areTexts(only)) &&
    typeof labels === 'object' &&
    labels !== null &&
    isOfTexts(labels)
  );
}

function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isOfTexts(labels: object): boolean {
  for (const name in labels) if (typeof (labels as Record<string, unknown>)[name] !== 'string') return false;
  return true;
}

const TEXTS = ['id', 'name', 'workload', 'namespace', 'serviceAccount', 'trustDomain', 'address', 'locality'] as const;

function isInteger(value: unknown, min: number, max: number): boolean {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}
