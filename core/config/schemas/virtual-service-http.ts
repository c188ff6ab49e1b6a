// The http section of a VirtualService: what its routes match, and where they lead. What they do on the way is in
// http-actions.ts.

import { count, dnsLabel, duration, headerMatchRule, labels, port, quote, subsetName, text } from '../formats.ts';
import { hostFault } from '../hosts.ts';
import {
  array,
  boolean,
  integer,
  map,
  notEnforced,
  object,
  optional,
  partly,
  type Report,
  type Static,
  string,
} from '../schema.ts';
import { authorityOf, Headers } from './header-operations.ts';
import {
  CorsPolicy,
  HTTPDirectResponse,
  HTTPFaultInjection,
  HTTPRedirect,
  HTTPRetry,
  HTTPRewrite,
} from './http-actions.ts';
import { Percent, PortSelector } from './networking.ts';
import { PathMatch, PresenceMatch, StringMatch } from './string-match.ts';

/** 'mesh', 'name' or 'namespace/name'. */
export const gatewayName = string({
  code: 'name',
  check: (value) =>
    /^(?:[a-z0-9](?:[-a-z0-9]*[a-z0-9])?\/)?[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/.test(value)
      ? null
      : `${quote(value)} is no gateway: write its name, namespace/name or mesh`,
});

/** A wildcard is a service of this name. */
const destinationHost = string({
  code: 'host',
  check: (value) => (value === '*' ? "the host '*' is no destination" : hostFault(value, { wildcard: true })),
});

export const Destination = object({
  host: partly(destinationHost, (value) => (value.startsWith('*') ? 'destinations that are wildcards' : null)),
  subset: optional(subsetName),
  port: optional(PortSelector),
});
export type Destination = Static<typeof Destination>;

export const HTTPMatchRequest = object({
  name: optional(text),
  uri: optional(PathMatch),
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
  sourceNamespace: optional(dnsLabel),
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
    /** 0s: none. */
    timeout: optional(duration),
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
      ['mirrorPercent', 'mirrorPercentage'],
      ['redirect', 'rewrite'],
      ['directResponse', 'rewrite'],
      ['redirect', 'fault'],
      ['directResponse', 'fault'],
    ],
    check(route, report) {
      checkWeights(route.route, report);
      checkActions(route, report);
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

export function checkWeights(route: readonly { weight?: number }[] | undefined, report: Report): void {
  if (route === undefined || route.length < 2) return;
  let total = 0;
  for (const { weight } of route) total += weight ?? 0;
  if (total === 0)
    report.error(['route'], 'weight', 'the weights of the destinations add up to 0: nothing would get a request');
  if (total > 4294967295)
    report.error(['route'], 'weight', 'the weights of the destinations add up to more than 4294967295');
}
