// VirtualService `fault` -> the configuration of the fault filter for one route.
//
//   byte 0 version (1) | u32 delay chance | u32 delay ms | u32 abort chance | u16 HTTP status (0: none) | u8 gRPC status (255: none)
//
// Little-endian; a chance is in millionths (1/10,000 of a percent), 0 = never.

import { parseDuration } from '../config/duration.ts';
import type { HTTPFaultInjection } from '../config/kinds/virtual-service.ts';
import type { RouteBuiltin } from './builtin.ts';

export const FAULT_CONFIG_BYTES = 16;

const MILLION = 1_000_000;
const MAX_DELAY_MS = 0x7fffffff;

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

export const fault: RouteBuiltin = {
  scope: 'route',
  name: 'fault',
  configure: (http) => (http.fault === undefined ? null : faultConfig(http.fault)),
};

/** The filter's configuration. As in Istio, a fault without a percentage is never injected; nor is one not enforced. */
export function faultConfig(fault: HTTPFaultInjection): Uint8Array {
  const bytes = Buffer.alloc(FAULT_CONFIG_BYTES);
  bytes[0] = 1;
  bytes[15] = 255;
  const { delay, abort } = fault;
  if (delay?.fixedDelay !== undefined) {
    bytes.writeUInt32LE(chanceOf(delay.percentage?.value ?? delay.percent), 1);
    bytes.writeUInt32LE(Math.min(Math.round(parseDuration(delay.fixedDelay)), MAX_DELAY_MS), 5);
  }
  if (abort?.httpStatus !== undefined || abort?.grpcStatus !== undefined) {
    bytes.writeUInt32LE(chanceOf(abort.percentage?.value), 9);
    bytes.writeUInt16LE(abort.httpStatus ?? 0, 13);
    if (abort.grpcStatus !== undefined) bytes[15] = grpcCode(abort.grpcStatus);
  }
  return bytes;
}

function chanceOf(percent: number | undefined): number {
  return Math.min(MILLION, Math.round((percent ?? 0) * (MILLION / 100)));
}

/** By name or by number; what is neither is UNKNOWN. */
function grpcCode(status: string): number {
  if (/^\d+$/.test(status)) return Math.min(Number(status), 16);
  const code = GRPC_STATUSES.indexOf(status.toUpperCase());
  return code < 0 ? 2 : code;
}
