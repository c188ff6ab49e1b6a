// A built-in filter, compiled from its sources, through the real host.

import { join } from 'node:path';

import { compileFilter } from '../../asbuild/compile.ts';
import type { FilterFactory } from '../../core/filter.ts';
import type { WasmRuntime } from '../../core/wasm/runtime.ts';
import { specFor } from '../core/wasm/harness.ts';

const FILTERS = join(import.meta.dirname, '../../filters');

const RUNTIMES = {
  authn: 'minimal',
  cors: 'stub',
  fault: 'stub',
  headers: 'minimal',
  ratelimit: 'minimal',
  rbac: 'minimal',
} as const;

/** Compiles it, and returns what configures it in a runtime. */
export async function builtin(
  name: keyof typeof RUNTIMES,
): Promise<(runtime: WasmRuntime, configuration?: Uint8Array) => FilterFactory> {
  const entry = join(FILTERS, name, 'index.ts');
  const bytes = await compileFilter({ name, entry, runtime: RUNTIMES[name] });
  const spec = specFor(bytes, { name, builtin: true });
  return (runtime, configuration = new Uint8Array(0)) => runtime.configure({ ...spec, configuration });
}
