// A built-in filter as it was built from these sources, through the real host.

import { buildFilters } from '../../asbuild/build.ts';
import { loadBuiltins } from '../../asbuild/manifest.ts';
import type { ModuleName } from '../../core/builtins/order.ts';
import type { FilterFactory } from '../../core/exchange/filter.ts';
import type { WasmRuntime } from '../../core/wasm/guest/runtime.ts';
import { specFor } from '../core/wasm/harness.ts';

/** Builds it when its sources have changed, and returns what configures it in a runtime. */
export async function builtin(
  name: ModuleName,
): Promise<(runtime: WasmRuntime, configuration?: Uint8Array) => FilterFactory> {
  await buildFilters();
  const { bytes } = loadBuiltins().find((one) => one.name === name)!;
  const spec = specFor(bytes, { name, builtin: true });
  return (runtime, configuration = new Uint8Array(0)) => runtime.configure({ ...spec, configuration });
}
