// What a VirtualService's HTTP route does to a request beside forwarding it: redirect, answer, rewrite, retry, fail on
// purpose, answer preflights.

import {
  authority,
  count,
  headerName,
  nonEmpty,
  originForm,
  percent,
  port,
  positiveDuration,
  quote,
  regex,
  seconds,
  targetFault,
  text,
  texts,
} from '../formats.ts';
import { groupsOf } from '../regex.ts';
import {
  array,
  boolean,
  integer,
  notEnforced,
  object,
  oneOf,
  optional,
  partly,
  type Static,
  string,
} from '../schema.ts';
import { OriginMatch } from './string-match.ts';

/** '' = not given. */
const redirectScheme = string({
  code: 'enum',
  check: (value) => (['', 'http', 'https'].includes(value) ? null : `${quote(value)} is no scheme: http or https`),
});

export const HTTPRedirect = object(
  {
    uri: optional(originForm),
    authority: optional(authority),
    port: optional(port),
    derivePort: notEnforced(
      optional(oneOf('FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT')),
      'redirects that derive their port',
    ),
    scheme: optional(redirectScheme),
    /** 0: 301. */
    redirectCode: optional(count),
    prefixRewrite: optional(originForm),
  },
  {
    atMostOne: [
      ['port', 'derivePort'],
      ['uri', 'prefixRewrite'],
    ],
    check(redirect, report) {
      if (redirect.redirectCode && ![301, 302, 303, 307, 308].includes(redirect.redirectCode)) {
        report.error(['redirectCode'], 'range', `${redirect.redirectCode} is no redirect: 301, 302, 303, 307 or 308`);
      }
      const { redirectCode: _, ...where } = redirect;
      if (Object.values(where).every((value) => value === '')) {
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
const LARGE_DIRECT_BODY = 100 * 1024;

export const HTTPDirectResponse = object({
  status: integer(200, 599),
  body: optional(
    object(
      { string: optional(text), bytes: optional(base64) },
      {
        atMostOne: [['string', 'bytes']],
        check(body, report) {
          const field = body.string === undefined ? 'bytes' : 'string';
          const length = Buffer.byteLength(body[field] ?? '', field === 'string' ? 'utf8' : 'base64');
          if (length > MAX_DIRECT_BODY) {
            report.error([field], 'limit', `the body is longer than ${MAX_DIRECT_BODY} bytes`);
          } else if (length > LARGE_DIRECT_BODY) {
            report.warning(
              [field],
              'limit',
              `every proxy holds these ${length} bytes in memory: a service would serve them better`,
            );
          }
        },
      },
    ),
  ),
});
export type HTTPDirectResponse = Static<typeof HTTPDirectResponse>;

/** RE2's rewriting: \\N for a group and \\\\ for a backslash; everything else stands for itself. */
const RegexRewrite = object(
  { match: regex, rewrite: nonEmpty },
  {
    check({ match, rewrite }, report) {
      const literals = rewrite.replace(/\\[\d\\]/g, '');
      const group = [...rewrite.matchAll(/\\([\d\\])/g)].find(([, to]) => to !== '\\' && Number(to) > groupsOf(match));
      const fault = literals.includes('\\')
        ? `${quote(rewrite)} has a backslash before what is no digit: write two for one`
        : group !== undefined
          ? `${quote(rewrite)} refers to ${group[0]}, and the expression has ${groupsOf(match)} groups`
          : targetFault(literals);
      if (fault !== null) report.error(['rewrite'], 'path', fault);
    },
  },
);

export const HTTPRewrite = object(
  {
    uri: optional(originForm),
    authority: optional(authority),
    uriRegexRewrite: optional(RegexRewrite),
  },
  {
    check(rewrite, report) {
      if (rewrite.uri && rewrite.uriRegexRewrite !== undefined) {
        report.error(['uriRegexRewrite'], 'oneof', 'uri and uriRegexRewrite exclude each other: give one of them');
      }
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

/** Those that have a name. */
const STATUSES = new Set([
  ...[100, 101, 102, 103, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308],
  ...[400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423],
  ...[424, 425, 426, 428, 429, 431, 451, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511],
]);

export const HTTPRetry = object(
  {
    attempts: optional(count),
    perTryTimeout: optional(positiveDuration),
    retryOn: partly(optional(text), (value) =>
      value.includes('http3-post-connect-failure') ? 'retries of HTTP/3' : null,
    ),
    retryRemoteLocalities: notEnforced(optional(boolean), (value) =>
      value ? 'retries in remote localities first' : null,
    ),
    retryIgnorePreviousHosts: optional(boolean),
    backoff: optional(positiveDuration),
  },
  {
    check(retries, report) {
      for (const name of retries.retryOn ? retries.retryOn.split(',') : []) {
        if (RETRY_ON.has(name) || (/^\d{3}$/.test(name) && STATUSES.has(Number(name)))) continue;
        report.error(
          ['retryOn'],
          'enum',
          `${quote(name)} is no retry condition: one of ${[...RETRY_ON].join(', ')}, or a status`,
        );
      }
      const { retryOn, perTryTimeout, retryRemoteLocalities } = retries;
      if (!retries.attempts && (retryOn || perTryTimeout || retryRemoteLocalities !== undefined)) {
        const why =
          retries.attempts === 0
            ? 'attempts is 0, which turns them off'
            : 'no attempts are given, which turns them off';
        report.error(['attempts'], 'contradiction', `retries are configured although ${why}`);
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

/** Envoy counts in millionths. */
const FaultPercent = object(
  { value: optional(percent) },
  {
    check({ value = 0 }, report) {
      if (value > 0 && value < 0.0001) report.error(['value'], 'range', `${value} is too little: 0, or from 0.0001 on`);
    },
  },
);

export const HTTPFaultInjection = object(
  {
    delay: optional(
      object(
        {
          /** Where there is no percentage. */
          percent: optional(integer(0, 100)),
          fixedDelay: optional(positiveDuration),
          percentage: optional(FaultPercent),
        },
        {
          check({ fixedDelay }, report) {
            if (fixedDelay === undefined) report.warning([], 'required', 'a delay without fixedDelay delays nothing');
          },
        },
      ),
    ),
    abort: optional(
      object(
        {
          httpStatus: optional(integer(200, 599)),
          grpcStatus: optional(grpcStatus),
          percentage: optional(FaultPercent),
        },
        {
          atMostOne: [['httpStatus', 'grpcStatus']],
          check({ httpStatus, grpcStatus }, report) {
            if (httpStatus !== undefined || grpcStatus !== undefined) return;
            report.warning([], 'required', 'an abort without httpStatus or grpcStatus aborts nothing');
          },
        },
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

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', '*'];

const corsMethod = string({
  code: 'enum',
  check: (value) => (METHODS.includes(value) ? null : `${quote(value)} is no method: one of ${METHODS.join(', ')}`),
});

export const CorsPolicy = object({
  allowOrigin: optional(texts),
  allowOrigins: optional(array(OriginMatch)),
  allowMethods: optional(array(corsMethod)),
  allowHeaders: optional(array(headerName)),
  exposeHeaders: optional(array(headerName)),
  maxAge: optional(seconds),
  allowCredentials: optional(boolean),
  unmatchedPreflights: optional(oneOf('UNSPECIFIED', 'FORWARD', 'IGNORE')),
});
export type CorsPolicy = Static<typeof CorsPolicy>;
