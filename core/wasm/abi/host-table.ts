// Every function that a guest may import, bound to one instance. A topic a file; the list here is the whole ABI.

import type { Instance } from '../guest/instance.ts';
import { HOST_FUNCTIONS, WASI_MODULES } from './abi.ts';
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

/** All parameters are i32 (a number, signed) or i64 (a bigint); the result is an i32, or nothing. */
export type HostFunction = (...parameters: never[]) => number | undefined;

/** What emscripten's standalone modules import from `env` beside the ABI. */
const EMSCRIPTEN: Readonly<Record<string, string>> = { pthread_equal: 'ii', emscripten_notify_memory_growth: 'i' };

/** The parameters of an importable function ('i' = i32, 'I' = i64), or undefined: we have none of this name. */
export function importSignature(module: string, name: string): string | undefined {
  if (module === 'env') return lookup(HOST_FUNCTIONS, name) ?? lookup(EMSCRIPTEN, name);
  return WASI_MODULES.includes(module) ? lookup(WASI_FUNCTIONS, name) : undefined;
}

export function hostFunctions(instance: Instance): Record<string, Record<string, HostFunction>> {
  const env: Record<string, HostFunction> = {
    ...logFunctions(instance),
    ...headerFunctions(instance),
    ...bufferFunctions(instance),
    ...streamFunctions(instance),
    ...propertyFunctions(instance),
    ...sharedFunctions(instance),
    ...metricFunctions(instance),
    ...callFunctions(instance),
    ...foreignFunctions(instance),
    pthread_equal: (a: number, b: number) => (a === b ? 1 : 0),
    emscripten_notify_memory_growth: () => undefined,
  };
  const wasi = wasiFunctions(instance);
  const table: Record<string, Record<string, HostFunction>> = { env };
  for (const name of WASI_MODULES) table[name] = wasi;
  return table;
}

function lookup(table: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
