// Every way in which a request can end without its upstream's answer, in one registry: code, status, response flag,
// details, body, whose fault, whether another attempt may be made. Only exchange/local-reply.ts turns an entry into an answer.
// Names, flags, details and bodies are Envoy's, so that dashboards, scripts and people keep working.

export type Flag =
  | 'UH'
  | 'UT'
  | 'LR'
  | 'UR'
  | 'UF'
  | 'UC'
  | 'UO'
  | 'NR'
  | 'DI'
  | 'FI'
  | 'RL'
  | 'UAEX'
  | 'DC'
  | 'URX'
  | 'SI'
  | 'IH'
  | 'DPE'
  | 'UMSDR'
  | 'NFCF'
  | 'DT'
  | 'UPE'
  | 'NC'
  | 'OM'
  | 'DF'
  | 'DR';

/** Each with its long name, as `%RESPONSE_FLAGS_LONG%` prints it, and its bit in a flag set, which is Envoy's (there are gaps). */
export const FLAGS: readonly (readonly [flag: Flag, long: string, bit: number])[] = [
  ['UH', 'NoHealthyUpstream', 1],
  ['UT', 'UpstreamRequestTimeout', 2],
  ['LR', 'LocalReset', 3],
  ['UR', 'UpstreamRemoteReset', 4],
  ['UF', 'UpstreamConnectionFailure', 5],
  ['UC', 'UpstreamConnectionTermination', 6],
  ['UO', 'UpstreamOverflow', 7],
  ['NR', 'NoRouteFound', 8],
  ['DI', 'DelayInjected', 9],
  ['FI', 'FaultInjected', 10],
  ['RL', 'RateLimited', 11],
  ['UAEX', 'UnauthorizedExternalService', 12],
  ['DC', 'DownstreamConnectionTermination', 14],
  ['URX', 'UpstreamRetryLimitExceeded', 15],
  ['SI', 'StreamIdleTimeout', 16],
  ['IH', 'InvalidEnvoyRequestHeaders', 17],
  ['DPE', 'DownstreamProtocolError', 18],
  ['UMSDR', 'UpstreamMaxStreamDurationReached', 19],
  ['NFCF', 'NoFilterConfigFound', 21],
  ['DT', 'DurationTimeout', 22],
  ['UPE', 'UpstreamProtocolError', 23],
  ['NC', 'NoClusterFound', 24],
  ['OM', 'OverloadManagerTerminated', 25],
  ['DF', 'DnsResolutionFailed', 26],
  ['DR', 'DownstreamRemoteReset', 28],
];

const BIT = new Map(FLAGS.map(([flag, , bit]) => [flag, 1 << bit]));

/** The bit of one flag in a flag set. */
export function flagBit(flag: Flag): number {
  return BIT.get(flag)!;
}

/** A flag set as the access log prints it: "UF,URX", or "-" when empty. */
export function flagNames(flags: number): string {
  return flags === 0 ? '-' : inSet(flags, ([flag]) => flag);
}

/** The same with long names. */
export function longFlagNames(flags: number): string {
  return flags === 0 ? '-' : inSet(flags, ([, long]) => long);
}

function inSet(flags: number, name: (entry: (typeof FLAGS)[number]) => string): string {
  return FLAGS.filter(([, , bit]) => (flags & (1 << bit)) !== 0)
    .map(name)
    .join(',');
}

/**
 * What a retry policy may do about it: `unsent` = nothing reached the upstream, safe for every method; `sent` = it may have
 * reached the upstream and there is no answer; `never` = no other attempt would help.
 */
export type Retryable = 'unsent' | 'sent' | 'never';

export interface Failure {
  readonly code: FailureCode;
  readonly status: number;
  readonly flag: Flag | null;
  /** `%RESPONSE_CODE_DETAILS%` */
  readonly details: string;
  readonly body: string;
  readonly fault: 'downstream' | 'upstream' | 'mesh';
  readonly retryable: Retryable;
}

const RESET = 'upstream connect error or disconnect/reset before headers. reset reason: ';

const TABLE = {
  // The client's fault.
  bad_request: [400, 'DPE', 'http1.codec_error', 'Bad Request', 'downstream', 'never'],
  not_http: [400, 'DPE', 'http1.codec_error{not_http}', 'Bad Request', 'downstream', 'never'],
  tls_not_http: [400, 'DPE', 'http1.codec_error{tls_not_http}', 'Bad Request', 'downstream', 'never'],
  missing_host: [400, 'DPE', 'missing_host_header', 'Bad Request', 'downstream', 'never'],
  bad_path: [400, 'DPE', 'path_normalization_failed', 'Bad Request', 'downstream', 'never'],
  headers_too_large: [
    431,
    'DPE',
    'request_headers_too_large',
    'Request Header Fields Too Large',
    'downstream',
    'never',
  ],
  uri_too_long: [414, 'DPE', 'request_uri_too_long', 'URI Too Long', 'downstream', 'never'],
  payload_too_large: [413, null, 'request_payload_too_large', 'Payload Too Large', 'downstream', 'never'],
  header_timeout: [408, 'DPE', 'request_header_timeout', 'Request Timeout', 'downstream', 'never'],
  stream_idle: [408, 'SI', 'stream_idle_timeout', 'stream timeout', 'downstream', 'never'],
  connect_refused: [403, 'NR', 'connect_not_allowed', '', 'downstream', 'never'],
  unknown_expectation: [417, null, 'unknown_expectation', 'Expectation Failed', 'downstream', 'never'],
  client_gone: [0, 'DC', 'downstream_remote_disconnect', '', 'downstream', 'never'],
  misdirected: [421, null, 'misdirected_request', 'Misdirected Request', 'downstream', 'never'],
  /** Of a connection that is no HTTP: nothing is said to it. */
  connection_denied: [403, null, 'rbac_access_denied', '', 'downstream', 'never'],
  // The mesh's configuration.
  no_route: [404, 'NR', 'route_not_found', '', 'mesh', 'never'],
  out_of_scope: [
    502,
    'NR',
    'out_of_scope',
    'this service is not exported to its caller, or the Sidecar of its caller does not import it',
    'mesh',
    'never',
  ],
  tls_unsupported: [
    501,
    null,
    'tls_not_supported',
    'https goes through this proxy in a tunnel: CONNECT',
    'mesh',
    'never',
  ],
  unregistered: [502, null, 'direct_response', 'this host is not in the registry', 'mesh', 'never'],
  bad_rewrite: [500, 'NFCF', 'rewritten_path_invalid', 'Internal Server Error', 'mesh', 'never'],
  no_cluster: [503, 'NC', 'cluster_not_found', '', 'mesh', 'never'],
  no_healthy_upstream: [503, 'UH', 'no_healthy_upstream', 'no healthy upstream', 'mesh', 'never'],
  address_refused: [403, 'UAEX', 'destination_address_refused', 'destination address refused', 'mesh', 'never'],
  dns_failure: [503, 'DF', 'dns_resolution_failure', 'no healthy upstream', 'upstream', 'never'],
  overflow: [503, 'UO', 'upstream_reset_before_response_started{overflow}', `${RESET}overflow`, 'mesh', 'never'],
  overload: [503, 'OM', 'overload', 'envoy overloaded', 'mesh', 'never'],
  filter_failed: [503, 'NFCF', 'filter_failed', 'filter failed', 'mesh', 'never'],
  // The upstream.
  connect_failure: [
    503,
    'UF',
    'upstream_reset_before_response_started{remote_connection_failure}',
    `${RESET}remote connection failure`,
    'upstream',
    'unsent',
  ],
  connect_timeout: [
    503,
    'UF',
    'upstream_reset_before_response_started{connection_timeout}',
    `${RESET}connection timeout`,
    'upstream',
    'unsent',
  ],
  reset_before_response: [
    503,
    'UC',
    'upstream_reset_before_response_started{connection_termination}',
    `${RESET}connection termination`,
    'upstream',
    'sent',
  ],
  reset_after_response: [
    502,
    'UC',
    'upstream_reset_after_response_started{connection_termination}',
    '',
    'upstream',
    'never',
  ],
  remote_reset: [
    503,
    'UR',
    'upstream_reset_before_response_started{remote_reset}',
    `${RESET}remote reset`,
    'upstream',
    'sent',
  ],
  refused_stream: [
    503,
    'UR',
    'upstream_reset_before_response_started{remote_refused_stream_reset}',
    `${RESET}remote refused stream reset`,
    'upstream',
    'unsent',
  ],
  protocol_error: [
    502,
    'UPE',
    'upstream_reset_before_response_started{protocol_error}',
    `${RESET}protocol error`,
    'upstream',
    'sent',
  ],
  upstream_headers_too_large: [
    502,
    'UPE',
    'upstream_reset_before_response_started{headers_too_large}',
    `${RESET}protocol error`,
    'upstream',
    'sent',
  ],
  response_too_large: [500, null, 'response_payload_too_large', 'Internal Server Error', 'upstream', 'never'],
  per_try_timeout: [504, 'UT', 'upstream_per_try_timeout', 'upstream request timeout', 'upstream', 'sent'],
  request_timeout: [504, 'UT', 'response_timeout', 'upstream request timeout', 'upstream', 'never'],
} satisfies Record<string, [number, Flag | null, string, string, Failure['fault'], Retryable]>;

export type FailureCode = keyof typeof TABLE;

/** The registry, by code. */
export const FAILURES = Object.fromEntries(
  Object.entries(TABLE).map(([code, [status, flag, details, body, fault, retryable]]) => [
    code,
    Object.freeze({ code, status, flag, details, body, fault, retryable }),
  ]),
) as unknown as { readonly [C in FailureCode]: Failure };
