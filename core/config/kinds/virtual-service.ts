// VirtualService: hosts and the routes their requests take. Shapes and what Istio's own validation asks of them.

import {
  count,
  duration,
  headerMatchRule,
  headerName,
  headerValues,
  host,
  ipOrCidr,
  labels,
  port,
  quote,
  text,
  wildcardHost,
} from '../formats.ts';
import { hostCovers } from '../hosts.ts';
import { defineKind } from '../kind.ts';
import {
  array,
  boolean,
  defaulted,
  integer,
  map,
  object,
  optional,
  type Report,
  type Static,
  string,
} from '../schema.ts';
import {
  CorsPolicy,
  HTTPDirectResponse,
  HTTPFaultInjection,
  HTTPRedirect,
  HTTPRetry,
  HTTPRewrite,
} from '../schemas/http-actions.ts';
import { exportTo, NETWORKING, Percent, PortSelector } from '../schemas/networking.ts';
import { PresenceMatch, StringMatch } from '../schemas/string-match.ts';

export type {
  CorsPolicy,
  HTTPDirectResponse,
  HTTPFaultInjection,
  HTTPRedirect,
  HTTPRetry,
  HTTPRewrite,
} from '../schemas/http-actions.ts';
export type { StringMatch } from '../schemas/string-match.ts';

/** 'mesh', 'name' or 'namespace/name'. */
const gatewayName = string({
  code: 'name',
  check: (value) =>
    /^(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?\/)?[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/.test(value)
      ? null
      : `${quote(value)} is no gateway: write its name, namespace/name or mesh`,
});

export const Destination = object({
  host,
  subset: optional(text),
  port: optional(PortSelector),
});
export type Destination = Static<typeof Destination>;

export const HeaderOperations = object({
  set: optional(headerValues),
  add: optional(headerValues),
  remove: optional(array(headerName)),
});
export type HeaderOperations = Static<typeof HeaderOperations>;

export const Headers = object({ request: optional(HeaderOperations), response: optional(HeaderOperations) });
export type Headers = Static<typeof Headers>;

export const HTTPMatchRequest = object({
  name: optional(text),
  uri: optional(StringMatch),
  scheme: optional(StringMatch),
  method: optional(StringMatch),
  authority: optional(StringMatch),
  headers: optional(map(PresenceMatch, headerMatchRule)),
  port: optional(port),
  sourceLabels: optional(labels),
  gateways: optional(array(gatewayName)),
  queryParams: optional(map(PresenceMatch)),
  ignoreUriCase: optional(boolean),
  withoutHeaders: optional(map(PresenceMatch, headerMatchRule)),
  sourceNamespace: optional(text),
  statPrefix: optional(text),
});
export type HTTPMatchRequest = Static<typeof HTTPMatchRequest>;

export const HTTPRouteDestination = object({
  destination: Destination,
  weight: optional(count),
  headers: optional(Headers),
});
export type HTTPRouteDestination = Static<typeof HTTPRouteDestination>;

export const HTTPMirrorPolicy = object({ destination: Destination, percentage: optional(Percent) });
export type HTTPMirrorPolicy = Static<typeof HTTPMirrorPolicy>;

export const Delegate = object({ name: text, namespace: optional(text) });
export type Delegate = Static<typeof Delegate>;

export const HTTPRoute = object(
  {
    name: optional(text),
    match: optional(array(HTTPMatchRequest)),
    route: optional(array(HTTPRouteDestination, 1)),
    redirect: optional(HTTPRedirect),
    directResponse: optional(HTTPDirectResponse),
    delegate: optional(Delegate),
    rewrite: optional(HTTPRewrite),
    /** 0s: none. */
    timeout: optional(duration),
    retries: optional(HTTPRetry),
    fault: optional(HTTPFaultInjection),
    mirror: optional(Destination),
    mirrors: optional(array(HTTPMirrorPolicy)),
    mirrorPercent: optional(integer(0, 100)),
    mirrorPercentage: optional(Percent),
    corsPolicy: optional(CorsPolicy),
    headers: optional(Headers),
  },
  {
    exactlyOne: [['route', 'redirect', 'directResponse', 'delegate']],
    atMostOne: [
      ['mirror', 'mirrors'],
      ['mirrorPercent', 'mirrorPercentage'],
      ['redirect', 'rewrite'],
      ['directResponse', 'rewrite'],
    ],
    check: (route, report) => checkWeights(route.route, report),
  },
);
export type HTTPRoute = Static<typeof HTTPRoute>;

export const RouteDestination = object({ destination: Destination, weight: optional(count) });
export type RouteDestination = Static<typeof RouteDestination>;

export const TCPRoute = object(
  {
    match: optional(
      array(
        object({
          destinationSubnets: optional(array(ipOrCidr)),
          port: optional(port),
          sourceSubnet: optional(ipOrCidr),
          sourceLabels: optional(labels),
          gateways: optional(array(gatewayName)),
          sourceNamespace: optional(text),
        }),
      ),
    ),
    route: array(RouteDestination, 1),
  },
  { check: (route, report) => checkWeights(route.route, report) },
);
export type TCPRoute = Static<typeof TCPRoute>;

export const TLSRoute = object(
  {
    match: array(
      object({
        sniHosts: array(wildcardHost, 1),
        destinationSubnets: optional(array(ipOrCidr)),
        port: optional(port),
        sourceLabels: optional(labels),
        gateways: optional(array(gatewayName)),
        sourceNamespace: optional(text),
      }),
      1,
    ),
    route: array(RouteDestination, 1),
  },
  { check: (route, report) => checkWeights(route.route, report) },
);
export type TLSRoute = Static<typeof TLSRoute>;

export const VirtualServiceSpec = object(
  {
    /** Empty: a delegate, which others route to. */
    hosts: defaulted(array(wildcardHost), []),
    gateways: optional(array(gatewayName)),
    http: optional(array(HTTPRoute)),
    tls: optional(array(TLSRoute)),
    tcp: optional(array(TCPRoute)),
    exportTo,
  },
  {
    check(spec, report) {
      const { hosts } = spec;
      const onMesh = spec.gateways === undefined || spec.gateways.length === 0 || spec.gateways.includes('mesh');
      hosts.forEach((name, i) => {
        if (hosts.indexOf(name) < i) report.error(['hosts', i], 'duplicate', `the host ${quote(name)} is listed twice`);
        if (name === '*' && onMesh) {
          report.error(
            ['hosts', i],
            'host',
            "the host '*' needs a gateway: on the mesh gateway it would cover every service",
          );
        }
      });
      if (!spec.http?.length && !spec.tls?.length && !spec.tcp?.length) {
        report.error([], 'required', 'a VirtualService needs at least one route in http, tls or tcp');
      }
      if (hosts.length === 0 && (spec.gateways?.length || spec.tls?.length || spec.tcp?.length)) {
        report.error(
          ['hosts'],
          'required',
          'hosts must not be empty (only a delegate has none, and it has no gateways, tls or tcp)',
        );
      }
      spec.tls?.forEach((route, i) => {
        route.match.forEach((match, j) => {
          match.sniHosts.forEach((sni, k) => {
            if (hosts.some((name) => hostCovers(name, sni))) return;
            report.error(
              ['tls', i, 'match', j, 'sniHosts', k],
              'host',
              `the SNI host ${quote(sni)} is not covered by hosts`,
            );
          });
        });
      });
    },
  },
);
export type VirtualServiceSpec = Static<typeof VirtualServiceSpec>;

export const virtualService = defineKind({
  name: 'VirtualService',
  shortNames: ['vs'],
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: VirtualServiceSpec,
});

function checkWeights(route: readonly { weight?: number }[] | undefined, report: Report): void {
  if (route === undefined || route.length < 2) return;
  let total = 0;
  for (const { weight } of route) total += weight ?? 0;
  if (total === 0)
    report.error(['route'], 'weight', 'the weights of the destinations add up to 0: nothing would get a request');
  if (total > 4294967295)
    report.error(['route'], 'weight', 'the weights of the destinations add up to more than 4294967295');
}
