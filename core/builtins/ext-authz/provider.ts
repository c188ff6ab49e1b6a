// One external authorizer as the host's half is told of it (JSON), and as it is asked.

import { parseDuration } from '../../config/duration.ts';
import type { ExtAuthzHttp } from '../../config/schemas/extension-provider.ts';
import { FRAMING } from '../../wasm/abi/header-map.ts';
import { type NameMatch, nameMatch } from './name-match.ts';

/** Istio's. */
const TIMEOUT_MS = 600_000;
const FORBIDDEN = 403;

export interface ProviderSpec {
  readonly name: string;
  /** As filters name whom they call. */
  readonly cluster: string;
  readonly timeoutMs: number;
  readonly pathPrefix: string;
  readonly failOpen: boolean;
  readonly statusOnError: number;
  readonly clearRouteCache: boolean;
  readonly requestHeaders: readonly string[];
  readonly additionalHeaders: readonly (readonly [string, string])[];
  /** Of a request's body that is sent along; null: nothing is. */
  readonly body: { readonly most: number; readonly partial: boolean } | null;
  readonly toUpstream: readonly string[];
  /** Empty: all. */
  readonly toDownstreamOnDeny: readonly string[];
  readonly toDownstreamOnAllow: readonly string[];
}

export interface Provider extends Omit<ProviderSpec, `to${string}` | 'requestHeaders'> {
  readonly asksOf: NameMatch;
  readonly toUpstream: NameMatch;
  readonly toDownstreamOnDeny: NameMatch;
  readonly toDownstreamOnAllow: NameMatch;
}

export function providerSpec(name: string, settings: ExtAuthzHttp): ProviderSpec {
  const { includeRequestHeadersInCheck, includeHeadersInCheck, includeRequestBodyInCheck: body } = settings;
  const asked = includeRequestHeadersInCheck?.length ? includeRequestHeadersInCheck : includeHeadersInCheck;
  return {
    name,
    cluster: `outbound|${settings.port}||${settings.service.slice(settings.service.indexOf('/') + 1).toLowerCase()}`,
    timeoutMs: settings.timeout === undefined ? TIMEOUT_MS : parseDuration(settings.timeout),
    pathPrefix: settings.pathPrefix ?? '',
    failOpen: settings.failOpen === true,
    statusOnError: Number(settings.statusOnError ?? FORBIDDEN),
    clearRouteCache: settings.clearRouteCache === true,
    requestHeaders: asked ?? [],
    additionalHeaders: Object.entries(settings.includeAdditionalHeadersInCheck ?? {}),
    body: body === undefined ? null : { most: body.maxRequestBytes, partial: body.allowPartialMessage === true },
    toUpstream: settings.headersToUpstreamOnAllow ?? [],
    toDownstreamOnDeny: settings.headersToDownstreamOnDeny ?? [],
    toDownstreamOnAllow: settings.headersToDownstreamOnAllow ?? [],
  };
}

export function providerOf({ requestHeaders, ...spec }: ProviderSpec): Provider {
  const denied = spec.toDownstreamOnDeny;
  // What Envoy sends along whatever is configured.
  const asked = nameMatch([...requestHeaders, 'authorization']);
  const additional = spec.additionalHeaders.map(([name, value]): [string, string] => [name.toLowerCase(), value]);
  return {
    ...spec,
    // How a message is framed is for its own codec to say.
    additionalHeaders: additional.filter(([name]) => !FRAMING.has(name)),
    asksOf: (name) => !FRAMING.has(name) && asked(name),
    toUpstream: nameMatch(spec.toUpstream),
    toDownstreamOnDeny: denied.length === 0 ? () => true : nameMatch([...denied, 'www-authenticate', 'location']),
    toDownstreamOnAllow: nameMatch(spec.toDownstreamOnAllow),
  };
}
