// Who is asked by policies and told by telemetry, as MeshConfig names them: external authorizers, and what Istio has beside
// them.

import { headerName, headerValues, nonEmpty, positiveDuration, quote, targetFault } from '../formats.ts';
import { hostFault } from '../hosts.ts';
import {
  array,
  boolean,
  integer,
  integerOrString,
  notEnforced,
  object,
  optional,
  type Report,
  type Static,
  string,
  struct,
} from '../schema.ts';

/** What one request's body may hold up in a proxy. */
const MAX_BODY_BYTES = 1 << 20;

/** 'namespace/host' or a host. */
const service = string({
  code: 'host',
  check(value) {
    const slash = value.indexOf('/');
    const namespace = slash < 0 ? 'a' : value.slice(0, slash);
    if (!/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/.test(namespace)) return `${quote(namespace)} is no namespace`;
    return hostFault(value.slice(slash + 1), { wildcard: false });
  },
});

/** Istio's own examples write it as a text. */
const port = integerOrString(1, 65535);

const statusOnError = string({
  code: 'range',
  check: (value) =>
    /^[2-5]\d\d$/.test(value) ? null : `${quote(value)} is no status: a text of three digits, such as "503"`,
});

const pathPrefix = string({
  code: 'path',
  check: (value) =>
    value.startsWith('/') && !/[?#]/.test(value)
      ? targetFault(value)
      : `${quote(value)} is no prefix of paths: it has to begin with '/', and has no query`,
});

/** exact, prefix*, *suffix; * = all. */
const headerPatterns = array(
  string({
    code: 'header_name',
    check(value) {
      const bare = value.endsWith('*') ? value.slice(0, -1) : value.replace(/^\*/, '');
      return (value === '*' || /^[!#$%&'+\-.^_`|~0-9A-Za-z]+$/.test(bare)) && value !== ''
        ? null
        : `${quote(value)} is no header name, nor one with a * at one end`;
    },
  }),
);

const requestBody = {
  maxRequestBytes: integer(1, MAX_BODY_BYTES),
  /** A longer body is sent as far as it goes; else it is refused with 413. */
  allowPartialMessage: optional(boolean),
};
const HttpRequestBody = object({
  ...requestBody,
  packAsBytes: notEnforced(optional(boolean), (value) =>
    value === true ? 'packAsBytes (it is for gRPC: an authorizer over HTTP gets the bytes anyway)' : null,
  ),
});
/** Not as bytes: what is no UTF-8 is replaced. */
const GrpcRequestBody = object({ ...requestBody, packAsBytes: optional(boolean) });

export const ExtAuthzHttp = object(
  {
    service,
    port,
    /** Left out: 600s. */
    timeout: optional(positiveDuration),
    pathPrefix: optional(pathPrefix),
    failOpen: optional(boolean),
    clearRouteCache: optional(boolean),
    /** Left out: 403. */
    statusOnError: optional(statusOnError),
    /** The older spelling of includeRequestHeadersInCheck, which goes before it. */
    includeHeadersInCheck: optional(array(headerName)),
    includeRequestHeadersInCheck: optional(headerPatterns),
    includeAdditionalHeadersInCheck: optional(headerValues),
    includeRequestBodyInCheck: optional(HttpRequestBody),
    headersToUpstreamOnAllow: optional(headerPatterns),
    headersToDownstreamOnDeny: optional(headerPatterns),
    headersToDownstreamOnAllow: optional(headerPatterns),
  },
  {
    check(provider, report) {
      checkPort(provider.port, report);
    },
  },
);
export type ExtAuthzHttp = Static<typeof ExtAuthzHttp>;

export const ExtAuthzGrpc = object(
  {
    service,
    port,
    timeout: optional(positiveDuration),
    failOpen: optional(boolean),
    clearRouteCache: optional(boolean),
    statusOnError: optional(statusOnError),
    includeRequestBodyInCheck: optional(GrpcRequestBody),
  },
  {
    check(provider, report) {
      checkPort(provider.port, report);
    },
  },
);
export type ExtAuthzGrpc = Static<typeof ExtAuthzGrpc>;

/** Policies that name one are told apart: see authorization-policy.ts. */
function other(what: string) {
  return notEnforced(optional(struct()), `${what} as an extension provider`);
}

export const ExtensionProvider = object(
  {
    name: nonEmpty,
    envoyExtAuthzHttp: optional(ExtAuthzHttp),
    envoyExtAuthzGrpc: optional(ExtAuthzGrpc),
    zipkin: other('zipkin'),
    datadog: other('datadog'),
    skywalking: other('skywalking'),
    opentelemetry: other('opentelemetry'),
    stackdriver: other('stackdriver'),
    prometheus: other('prometheus'),
    envoyFileAccessLog: other('envoyFileAccessLog'),
    envoyOtelAls: other('envoyOtelAls'),
  },
  {
    exactlyOne: [
      [
        ...['envoyExtAuthzHttp', 'envoyExtAuthzGrpc', 'zipkin', 'datadog', 'skywalking', 'opentelemetry'],
        ...['stackdriver', 'prometheus', 'envoyFileAccessLog', 'envoyOtelAls'],
      ],
    ],
  },
);
export type ExtensionProvider = Static<typeof ExtensionProvider>;

function checkPort(value: number | string, report: Report): void {
  if (typeof value === 'number') return;
  if (!/^[1-9]\d{0,4}$/.test(value) || Number(value) > 65535) {
    report.error(['port'], 'range', `${quote(value)} is no port: a number from 1 to 65535`);
  }
}
