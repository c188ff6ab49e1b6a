// The configuration of the fault filter: of one route, from VirtualService `fault`, or of the filter itself, from the FilterChain
// that inserts it. layout.ts draws its bytes.

import { parseDuration } from '../../config/duration.ts';
import { positiveDuration, quote, text } from '../../config/formats.ts';
import type { HTTPFaultInjection } from '../../config/kinds/virtual-service.ts';
import { boolean, integer, object, optional } from '../../config/schema.ts';
import { Percent } from '../../config/schemas/networking.ts';
import type { Builtin, InsertedPolicy } from '../builtin.ts';
import { type Configured, configured } from '../configured.ts';
import { decodeConfig } from '../inserted.ts';
import { faultFunctions } from './foreign-fault.ts';
import { ABORT_BY_HEADER, DELAY_BY_HEADER, MILLION, NO_GRPC, NO_LIMIT, SIZE, VERSION } from './layout.ts';
import { ActiveFaults, createActiveFaults, forgetFaults } from './shared-faults.ts';

const MAX_DELAY_MS = 0x7fffffff;
const UNKNOWN = 2;

const GRPC_STATUSES: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
];

/** The filter's configuration. As in Istio, a fault without a percentage is never injected; nor is one not enforced. */
export function faultConfig({ delay, abort }: HTTPFaultInjection): Configured {
  return encode({
    delayMs: delay?.fixedDelay === undefined ? 0 : parseDuration(delay.fixedDelay),
    delayChance: chanceOf(delay?.percentage?.value ?? delay?.percent ?? 0),
    abortChance: chanceOf(abort?.percentage?.value ?? 0),
    httpStatus: abort?.httpStatus ?? 0,
    grpcStatus: abort?.grpcStatus === undefined ? NO_GRPC : (grpcCode(abort.grpcStatus) ?? UNKNOWN),
    byHeaders: 0,
    most: NO_LIMIT,
  });
}

const byHeader = optional(boolean);
const Config = object(
  {
    delay: optional(
      object(
        { fixedDelay: optional(positiveDuration), header: byHeader, percentage: optional(Percent) },
        { exactlyOne: [['fixedDelay', 'header']] },
      ),
    ),
    abort: optional(
      object(
        {
          httpStatus: optional(integer(200, 599)),
          grpcStatus: optional(text),
          header: byHeader,
          percentage: optional(Percent),
        },
        { exactlyOne: [['httpStatus', 'grpcStatus', 'header']] },
      ),
    ),
    maxActiveFaults: optional(integer(0, NO_LIMIT - 1)),
  },
  {
    check({ delay, abort }, report) {
      if (delay === undefined && abort === undefined) report.error([], 'required', 'a fault needs delay or abort');
      for (const [name, { header }] of Object.entries({ delay: delay ?? {}, abort: abort ?? {} })) {
        if (header === false) report.error([name, 'header'], 'contradiction', 'write true, or leave it out');
      }
      if (abort?.grpcStatus !== undefined && grpcCode(abort.grpcStatus) === null) {
        report.error(['abort', 'grpcStatus'], 'enum', `${quote(abort.grpcStatus)} is no gRPC status`);
      }
    },
  },
);

/** In a FilterChain a fault without a percentage is injected always: nobody inserts a filter that does nothing. */
const inserted = {
  configure(config) {
    const { delay, abort, maxActiveFaults } = decodeConfig(Config, config);
    return encode({
      delayMs: delay?.fixedDelay === undefined ? 0 : parseDuration(delay.fixedDelay),
      delayChance: chanceOf(delay?.percentage?.value ?? 100),
      abortChance: chanceOf(abort?.percentage?.value ?? 100),
      httpStatus: abort?.httpStatus ?? 0,
      grpcStatus: abort?.grpcStatus === undefined ? NO_GRPC : (grpcCode(abort.grpcStatus) ?? UNKNOWN),
      byHeaders: (delay?.header === true ? DELAY_BY_HEADER : 0) | (abort?.header === true ? ABORT_BY_HEADER : 0),
      most: maxActiveFaults ?? NO_LIMIT,
    });
  },
} satisfies InsertedPolicy;

export const fault = {
  standing: { scope: 'route', configure: (http) => (http.fault === undefined ? null : faultConfig(http.fault)) },
  inserted,
  foreign: ({ memory, shard }) => faultFunctions(new ActiveFaults(memory, shard)),
  shared: { create: createActiveFaults, release: forgetFaults },
} satisfies Builtin;

interface Fault {
  readonly delayMs: number;
  readonly delayChance: number;
  readonly abortChance: number;
  readonly httpStatus: number;
  readonly grpcStatus: number;
  readonly byHeaders: number;
  readonly most: number;
}

function encode({ delayMs, delayChance, abortChance, httpStatus, grpcStatus, byHeaders, most }: Fault): Configured {
  const bytes = Buffer.alloc(SIZE);
  bytes[0] = VERSION;
  bytes[1] = byHeaders;
  bytes.writeUInt32LE(delayChance, 2);
  bytes.writeUInt32LE(Math.min(Math.round(delayMs), MAX_DELAY_MS), 6);
  bytes.writeUInt32LE(abortChance, 10);
  bytes.writeUInt16LE(httpStatus, 14);
  bytes[16] = grpcStatus;
  bytes.writeUInt32LE(most, 17);
  return configured('fault', bytes);
}

function chanceOf(percent: number): number {
  return Math.min(MILLION, Math.round(percent * (MILLION / 100)));
}

/** By name or by number. Null: it is neither. */
function grpcCode(status: string): number | null {
  const code = /^\d{1,3}$/.test(status) ? Number(status) : GRPC_STATUSES.indexOf(status.toUpperCase());
  return code < 0 || code >= GRPC_STATUSES.length ? null : code;
}
