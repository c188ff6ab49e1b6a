// A built-in filter, compiled from its sources, through the real host.

import { join } from 'node:path';

import { compileFilter } from '../../asbuild/compile.ts';
import type { FilterFactory } from '../../core/filter.ts';
import type { WasmRuntime } from '../../core/wasm/runtime.ts';
import { specFor } from '../core/wasm/harness.ts';

const FILTERS = join(import.meta.dirname, '../../filters');

const FAULT = { name: 'fault', entry: join(FILTERS, 'fault', 'index.ts'), runtime: 'stub' } as const;
const RBAC = { name: 'rbac', entry: join(FILTERS, 'rbac', 'index.ts'), runtime: 'minimal' } as const;

/** Compiles it, and returns what configures it in a runtime. */
export async function builtin(
  name: 'fault' | 'rbac',
): Promise<(runtime: WasmRuntime, configuration?: Uint8Array) => FilterFactory> {
  const bytes = await compileFilter(name === 'fault' ? FAULT : RBAC);
  const spec = specFor(bytes, { name, builtin: true });
  return (runtime, configuration = new Uint8Array(0)) => runtime.configure({ ...spec, configuration });
}
