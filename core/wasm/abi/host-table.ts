// Every function that a guest may import, bound to one instance. A topic a file; the list here is the whole ABI.

import { HOST_FUNCTIONS, type HostFunction, WASI_MODULES } from './abi.ts';
import type { Guest } from './guest.ts';
import { bufferFunctions } from './host-buffers.ts';
import { callFunctions } from './host-calls.ts';
import { foreignFunctions } from './host-foreign.ts';
import { headerFunctions } from './host-headers.ts';
import { logFunctions } from './host-log.ts';
import { metricFunctions } from './host-metrics.ts';
import { propertyFunctions } from './host-properties.ts';
import { sharedFunctions } from './host-shared.ts';
import { streamFunctions } from './host-stream.ts';
import { WASI_FUNCTIONS, wasiFunctions } from './wasi.ts';

/** What emscripten's standalone modules import from `env` beside the ABI. */
const EMSCRIPTEN: Readonly<Record<string, string>> = { pthread_equal: 'ii', emscripten_notify_memory_growth: 'i' };

/** The parameters of an importable function ('i' = i32, 'I' = i64), or undefined: we have none of this name. */
export function importSignature(module: string, name: string): string | undefined {
  if (module === 'env') return lookup(HOST_FUNCTIONS, name) ?? lookup(EMSCRIPTEN, name);
  return WASI_MODULES.includes(module) ? lookup(WASI_FUNCTIONS, name) : undefined;
}

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
    ...foreignFunctions(guest),
    pthread_equal: (a: number, b: number) => (a === b ? 1 : 0),
    emscripten_notify_memory_growth: () => undefined,
  };
  const wasi = wasiFunctions(guest);
  const table: Record<string, Record<string, HostFunction>> = { env };
  for (const name of WASI_MODULES) table[name] = wasi;
  return table;
}

function lookup(table: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
