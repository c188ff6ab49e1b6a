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
  positiveDuration,
  quote,
  regex,
  text,
  texts,
  wildcardHost,
} from '../formats.ts';
import { hostCovers } from '../hosts.ts';
import type { Kind } from '../kind.ts';
import {
  array,
  boolean,
  defaulted,
  integer,
  map,
  object,
  oneOf,
  optional,
  type Report,
  type Static,
  string,
} from '../schema.ts';
import { exportTo, NETWORKING, Percent, PortSelector } from './shared.ts';

const STRING_MATCH = ['exact', 'prefix', 'regex'];
const stringMatchFields = { exact: optional(text), prefix: optional(text), regex: optional(regex) };

export const StringMatch = object(stringMatchFields, { exactlyOne: [STRING_MATCH] });
export type StringMatch = Static<typeof StringMatch>;

/** An empty match asks for presence. */
const PresenceMatch = object(stringMatchFields, { atMostOne: [STRING_MATCH] });

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

export const HTTPRedirect = object(
  {
    uri: optional(text),
    authority: optional(text),
    port: optional(port),
    derivePort: optional(oneOf('FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT')),
    scheme: optional(text),
    redirectCode: optional(integer(300, 399)),
    prefixRewrite: optional(text),
  },
  {
    atMostOne: [
      ['port', 'derivePort'],
      ['uri', 'prefixRewrite'],
    ],
    check(redirect, report) {
      if (redirect.redirectCode !== undefined && ![301, 302, 303, 307, 308].includes(redirect.redirectCode)) {
        report.error(['redirectCode'], 'range', `${redirect.redirectCode} is no redirect: 301, 302, 303, 307 or 308`);
      }
      if (Object.keys(redirect).every((field) => field === 'redirectCode')) {
        report.error([], 'required', 'a redirect needs a uri, authority, scheme, port or prefixRewrite');
      }
    },
  },
);
export type HTTPRedirect = Static<typeof HTTPRedirect>;

const base64 = string({
  code: 'base64',
  check: (value) =>
    /^[A-Za-z0-9+/]*={0,2}$/.test(value) && value.length % 4 === 0 ? null : `${quote(value)} is not base64`,
});

/** A local answer's body is held in memory by every proxy. */
const MAX_DIRECT_BODY = 1024 * 1024;

export const HTTPDirectResponse = object({
  status: integer(200, 599),
  body: optional(
    object(
      { string: optional(text), bytes: optional(base64) },
      {
        exactlyOne: [['string', 'bytes']],
        check(body, report) {
          const field = body.string === undefined ? 'bytes' : 'string';
          if ((body[field] ?? '').length > MAX_DIRECT_BODY) {
            report.error([field], 'limit', `the body is longer than ${MAX_DIRECT_BODY} characters`);
          }
        },
      },
    ),
  ),
});
export type HTTPDirectResponse = Static<typeof HTTPDirectResponse>;

export const HTTPRewrite = object(
  {
    uri: optional(text),
    authority: optional(text),
    uriRegexRewrite: optional(object({ match: regex, rewrite: text })),
  },
  {
    atMostOne: [['uri', 'uriRegexRewrite']],
    check(rewrite, report) {
      if (Object.keys(rewrite).length === 0) {
        report.error([], 'required', 'a rewrite needs a uri, authority or uriRegexRewrite');
      }
    },
  },
);
export type HTTPRewrite = Static<typeof HTTPRewrite>;

const RETRY_ON = new Set([
  ...['5xx', 'gateway-error', 'reset', 'reset-before-request', 'connect-failure', 'envoy-ratelimited', 'retriable-4xx'],
  ...['refused-stream', 'retriable-status-codes', 'retriable-headers', 'http3-post-connect-failure'],
  ...['cancelled', 'deadline-exceeded', 'internal', 'resource-exhausted', 'unavailable'],
]);

export const HTTPRetry = object(
  {
    attempts: optional(count),
    perTryTimeout: optional(positiveDuration),
    retryOn: optional(text),
    retryRemoteLocalities: optional(boolean),
    retryIgnorePreviousHosts: optional(boolean),
    backoff: optional(positiveDuration),
  },
  {
    check(retries, report) {
      for (const condition of (retries.retryOn ?? '').split(',')) {
        const name = condition.trim();
        if (name === '' || RETRY_ON.has(name) || /^[1-5]\d\d$/.test(name)) continue;
        report.error(
          ['retryOn'],
          'enum',
          `${quote(name)} is no retry condition: one of ${[...RETRY_ON].join(', ')}, or a status`,
        );
      }
      if (retries.attempts === 0 && (retries.retryOn || retries.perTryTimeout)) {
        report.error(
          ['attempts'],
          'contradiction',
          'retries are configured although attempts is 0, which turns them off',
        );
      }
    },
  },
);
export type HTTPRetry = Static<typeof HTTPRetry>;

const GRPC_STATUS = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED'],
  ...['INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
];

const grpcStatus = string({
  code: 'enum',
  check: (value) =>
    GRPC_STATUS.includes(value) ? null : `${quote(value)} is no gRPC status: ${GRPC_STATUS.join(', ')}`,
});

export const HTTPFaultInjection = object(
  {
    delay: optional(
      object(
        {
          percent: optional(integer(0, 100)),
          fixedDelay: optional(positiveDuration),
          exponentialDelay: optional(positiveDuration),
          percentage: optional(Percent),
        },
        { exactlyOne: [['fixedDelay', 'exponentialDelay']], atMostOne: [['percent', 'percentage']] },
      ),
    ),
    abort: optional(
      object(
        {
          httpStatus: optional(integer(200, 599)),
          grpcStatus: optional(grpcStatus),
          http2Error: optional(text),
          percentage: optional(Percent),
        },
        { exactlyOne: [['httpStatus', 'grpcStatus', 'http2Error']] },
      ),
    ),
  },
  {
    check(fault, report) {
      if (!fault.delay && !fault.abort) report.error([], 'required', 'a fault needs a delay or an abort');
    },
  },
);
export type HTTPFaultInjection = Static<typeof HTTPFaultInjection>;

export const HTTPMirrorPolicy = object({ destination: Destination, percentage: optional(Percent) });
export type HTTPMirrorPolicy = Static<typeof HTTPMirrorPolicy>;

export const CorsPolicy = object({
  allowOrigin: optional(texts),
  allowOrigins: optional(array(StringMatch)),
  allowMethods: optional(texts),
  allowHeaders: optional(texts),
  exposeHeaders: optional(texts),
  maxAge: optional(duration),
  allowCredentials: optional(boolean),
  unmatchedPreflights: optional(oneOf('UNSPECIFIED', 'FORWARD', 'IGNORE')),
});
export type CorsPolicy = Static<typeof CorsPolicy>;

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

export const virtualService: Kind = {
  kind: 'VirtualService',
  group: 'networking.istio.io',
  versions: NETWORKING,
  scope: 'namespace',
  spec: VirtualServiceSpec,
};

function checkWeights(route: readonly { weight?: number }[] | undefined, report: Report): void {
  if (route === undefined || route.length < 2) return;
  let total = 0;
  for (const { weight } of route) total += weight ?? 0;
  if (total === 0)
    report.error(['route'], 'weight', 'the weights of the destinations add up to 0: nothing would get a request');
  if (total > 4294967295)
    report.error(['route'], 'weight', 'the weights of the destinations add up to more than 4294967295');
}
