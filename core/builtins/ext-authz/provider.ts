// One external authorizer, over HTTP or gRPC, as the host's half is told of it (JSON), and as it is asked.

import { parseDuration } from '../../config/duration.ts';
import type { ExtAuthzGrpc, ExtAuthzHttp } from '../../config/schemas/extension-provider.ts';
import { FRAMING } from '../../wasm/abi/header-map.ts';
import { type NameMatch, nameMatch } from './name-match.ts';

/** Istio's. */
const TIMEOUT_MS = 600_000;
const FORBIDDEN = 403;

/** What MeshConfig has of one. */
export type ProviderSettings =
  | { readonly over: 'http'; readonly settings: ExtAuthzHttp }
  | { readonly over: 'grpc'; readonly settings: ExtAuthzGrpc };

interface AnySpec {
  readonly name: string;
  /** As filters name whom they call. */
  readonly cluster: string;
  readonly timeoutMs: number;
  readonly failOpen: boolean;
  readonly statusOnError: number;
  readonly clearRouteCache: boolean;
  /** Of a request's body that is sent along; null: nothing is. `asBytes`: not as a text (over gRPC). */
  readonly body: { readonly most: number; readonly partial: boolean; readonly asBytes: boolean } | null;
}

export interface HttpSpec extends AnySpec {
  readonly over: 'http';
  readonly pathPrefix: string;
  readonly requestHeaders: readonly string[];
  readonly additionalHeaders: readonly (readonly [string, string])[];
  readonly toUpstream: readonly string[];
  /** Empty: all. */
  readonly toDownstreamOnDeny: readonly string[];
  readonly toDownstreamOnAllow: readonly string[];
}

export interface GrpcProvider extends AnySpec {
  readonly over: 'grpc';
  readonly authority: string;
}

export type ProviderSpec = HttpSpec | GrpcProvider;

export interface HttpProvider extends Omit<HttpSpec, `to${string}` | 'requestHeaders'> {
  readonly asksOf: NameMatch;
  readonly toUpstream: NameMatch;
  readonly toDownstreamOnDeny: NameMatch;
  readonly toDownstreamOnAllow: NameMatch;
}

export type Provider = HttpProvider | GrpcProvider;

export function providerSpec(name: string, of: ProviderSettings): ProviderSpec {
  const {
    service,
    port,
    timeout,
    failOpen,
    statusOnError,
    clearRouteCache,
    includeRequestBodyInCheck: body,
  } = of.settings;
  const host = service.slice(service.indexOf('/') + 1).toLowerCase();
  const any: AnySpec = {
    name,
    cluster: `outbound|${port}||${host}`,
    timeoutMs: timeout === undefined ? TIMEOUT_MS : parseDuration(timeout),
    failOpen: failOpen === true,
    statusOnError: Number(statusOnError ?? FORBIDDEN),
    clearRouteCache: clearRouteCache === true,
    body:
      body === undefined
        ? null
        : {
            most: body.maxRequestBytes,
            partial: body.allowPartialMessage === true,
            asBytes: of.over === 'grpc' && of.settings.includeRequestBodyInCheck?.packAsBytes === true,
          },
  };
  if (of.over === 'grpc') return { over: 'grpc', ...any, authority: host };
  const { settings } = of;
  const { includeRequestHeadersInCheck, includeHeadersInCheck } = settings;
  const asked = includeRequestHeadersInCheck?.length ? includeRequestHeadersInCheck : includeHeadersInCheck;
  return {
    over: 'http',
    ...any,
    pathPrefix: settings.pathPrefix ?? '',
    requestHeaders: asked ?? [],
    additionalHeaders: Object.entries(settings.includeAdditionalHeadersInCheck ?? {}),
    toUpstream: settings.headersToUpstreamOnAllow ?? [],
    toDownstreamOnDeny: settings.headersToDownstreamOnDeny ?? [],
    toDownstreamOnAllow: settings.headersToDownstreamOnAllow ?? [],
  };
}

/** True when its answers may say something of the answer that an allowed request gets. */
export function tellsOfAnswers(spec: ProviderSpec): boolean {
  return spec.over === 'grpc' || spec.toDownstreamOnAllow.length > 0;
}

export function providerOf(of: ProviderSpec): Provider {
  if (of.over === 'grpc') return of;
  const { requestHeaders, ...spec } = of;
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
