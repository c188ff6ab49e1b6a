// The parameters of every function that a guest may import, for the check of a module before any of it runs.

import { HOST_FUNCTIONS, WASI_MODULES } from './abi.ts';
import { WASI_FUNCTIONS } from './wasi.ts';

/** What emscripten's standalone modules import from `env` beside the ABI. */
const EMSCRIPTEN: Readonly<Record<string, string>> = { pthread_equal: 'ii', emscripten_notify_memory_growth: 'i' };

/** The parameters of an importable function ('i' = i32, 'I' = i64), or undefined: we have none of this name. */
export function importSignature(module: string, name: string): string | undefined {
  if (module === 'env') return lookup(HOST_FUNCTIONS, name) ?? lookup(EMSCRIPTEN, name);
  return WASI_MODULES.includes(module) ? lookup(WASI_FUNCTIONS, name) : undefined;
}

function lookup(table: Readonly<Record<string, string>>, name: string): string | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}
