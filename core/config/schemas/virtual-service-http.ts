// The http section of a VirtualService: what its routes match, and where they lead. What they do on the way is in
// http-actions.ts.

import { count, dnsLabelRule, headerMatchRule, labels, portOrZero, positiveDuration, text } from '../formats.ts';
import { gatewayReference } from '../gateway-reference.ts';
import {
  array,
  boolean,
  integer,
  map,
  notEnforced,
  object,
  optional,
  type Report,
  type Static,
  string,
} from '../schema.ts';
import { checkWeights, Destination } from './destination.ts';
import { authorityOf, Headers } from './header-operations.ts';
import {
  CorsPolicy,
  HTTPDirectResponse,
  HTTPFaultInjection,
  HTTPRedirect,
  HTTPRetry,
  HTTPRewrite,
} from './http-actions.ts';
import { Percent } from './networking.ts';
import { AnyMatch, PresenceMatch, UriMatch } from './string-match.ts';

/** '' = not given. */
const sourceNamespace = string({
  code: dnsLabelRule.code,
  check: (value) => (value === '' ? null : dnsLabelRule.check(value)),
});

export const HTTPMatchRequest = object({
  name: optional(text),
  uri: optional(UriMatch),
  scheme: optional(AnyMatch),
  method: optional(AnyMatch),
  authority: optional(AnyMatch),
  headers: optional(map(PresenceMatch, headerMatchRule)),
  /** 0: not given. */
  port: optional(portOrZero),
  sourceLabels: optional(labels),
  gateways: optional(array(gatewayReference)),
  queryParams: optional(map(PresenceMatch)),
  ignoreUriCase: optional(boolean),
  withoutHeaders: optional(map(PresenceMatch, headerMatchRule)),
  sourceNamespace: optional(sourceNamespace),
  statPrefix: notEnforced(optional(text)),
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
    delegate: notEnforced(optional(Delegate), 'delegation to another VirtualService'),
    rewrite: optional(HTTPRewrite),
    /** Left out: none. */
    timeout: optional(positiveDuration),
    retries: optional(HTTPRetry),
    fault: optional(HTTPFaultInjection),
    mirror: notEnforced(optional(Destination), 'mirroring'),
    mirrors: notEnforced(optional(array(HTTPMirrorPolicy)), 'mirroring'),
    mirrorPercent: notEnforced(optional(integer(0, 100)), 'mirroring'),
    mirrorPercentage: notEnforced(optional(Percent), 'mirroring'),
    corsPolicy: optional(CorsPolicy),
    headers: optional(Headers),
  },
  {
    exactlyOne: [['route', 'redirect', 'directResponse', 'delegate']],
    atMostOne: [
      ['mirror', 'mirrors'],
      ['redirect', 'rewrite'],
      ['directResponse', 'rewrite'],
      ['redirect', 'fault'],
      ['directResponse', 'fault'],
    ],
    check(route, report) {
      checkWeights(route.route, report);
      checkActions(route, report);
      if (route.mirrorPercent !== undefined)
        report.warning(['mirrorPercent'], 'deprecated', 'write mirrorPercentage: {value: ...}');
    },
    aliases: { mirror_percent: 'mirrorPercent' },
  },
);
export type HTTPRoute = Static<typeof HTTPRoute>;

function checkActions(
  {
    redirect,
    rewrite,
    headers,
    match = [],
  }: {
    readonly redirect?: HTTPRedirect;
    readonly rewrite?: HTTPRewrite;
    readonly headers?: Headers;
    readonly match?: readonly HTTPMatchRequest[];
  },
  report: Report,
): void {
  const whole = match.find(({ uri }) => uri !== undefined && uri.prefix === undefined);
  if (redirect?.prefixRewrite && whole !== undefined) {
    report.error(
      ['redirect', 'prefixRewrite'],
      'contradiction',
      'prefixRewrite needs a match by prefix: there is one by exact or regex',
    );
  }
  if (rewrite?.authority && authorityOf(headers?.request) !== null) {
    report.error(
      ['rewrite', 'authority'],
      'duplicate',
      'the authority is given by headers.request, too: write one of the two',
    );
  }
}
