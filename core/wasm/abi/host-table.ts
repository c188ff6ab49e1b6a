// Every function that a guest may import, bound to one instance. A topic a file; the list here is the whole ABI.

import { type HostFunction, WASI_MODULES } from './abi.ts';
import type { Guest } from './guest.ts';
import { bufferFunctions } from './host-buffers.ts';
import { callFunctions } from './host-calls.ts';
import { foreignFunctions } from './host-foreign.ts';
import { grpcFunctions } from './host-grpc.ts';
import { headerFunctions } from './host-headers.ts';
import { logFunctions } from './host-log.ts';
import { metricFunctions } from './host-metrics.ts';
import { propertyFunctions } from './host-properties.ts';
import { sharedFunctions } from './host-shared.ts';
import { streamFunctions } from './host-stream.ts';
import { wasiFunctions } from './wasi.ts';

export function hostFunctions(guest: Guest): Record<string, Record<string, HostFunction>> {
  const env: Record<string, HostFunction> = {
    ...logFunctions(guest),
    ...headerFunctions(guest),
    ...bufferFunctions(guest),
    ...streamFunctions(guest),
    ...propertyFunctions(guest),
    ...sharedFunctions(guest),
    ...metricFunctions(guest),
    ...callFunctions(guest),
    ...grpcFunctions(guest),
    ...foreignFunctions(guest),
    pthread_equal: (a: number, b: number) => (a === b ? 1 : 0),
    emscripten_notify_memory_growth: () => undefined,
  };
  const wasi = wasiFunctions(guest);
  const table: Record<string, Record<string, HostFunction>> = { env };
  for (const name of WASI_MODULES) table[name] = wasi;
  return table;
}
