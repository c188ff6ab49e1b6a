// A built-in filter as it was built from these sources, through the real host.

import { buildFilters } from '../../asbuild/build.ts';
import { loadBuiltins } from '../../asbuild/manifest.ts';
import { NO_REMOTE_KEYS, type RemoteKeys } from '../../core/builtins/authn/rules.ts';
import type { BuiltinMemory } from '../../core/builtins/builtin.ts';
import { createBuiltinMemory, foreignFunctions } from '../../core/builtins/builtins.ts';
import type { ModuleName } from '../../core/builtins/order.ts';
import type { FilterConfiguration, FilterFactory } from '../../core/exchange/filter.ts';
import type { RuntimeOptions, WasmRuntime } from '../../core/wasm/guest/runtime.ts';
import { plain, runtimeFor, specFor } from '../core/wasm/harness.ts';

/** Builds it when its sources have changed, and returns what configures it in a runtime. */
export async function builtin(
  name: ModuleName,
): Promise<(runtime: WasmRuntime, configuration?: FilterConfiguration) => FilterFactory> {
  await buildFilters();
  const { bytes } = loadBuiltins().find((one) => one.name === name)!;
  const spec = specFor(bytes, { name });
  return (runtime, builtin = plain(new Uint8Array(0))) =>
    runtime.configure({ ...spec, builtin, configuration: builtin.bytes });
}

export interface ShardOptions extends Partial<Omit<RuntimeOptions, 'foreign'>> {
  /** What the built-ins of several shards share; of this one alone without it. */
  readonly memory?: BuiltinMemory;
  readonly keys?: RemoteKeys;
}

/** The runtime of a shard whose built-in filters find the functions that they call. */
export function builtinRuntime(options: ShardOptions = {}): ReturnType<typeof runtimeFor> {
  const { memory = createBuiltinMemory(1), keys = NO_REMOTE_KEYS, ...others } = options;
  const { shard = 0, upstreams = { find: () => null } } = others;
  return runtimeFor({ ...others, foreign: foreignFunctions({ shard, memory, keys, upstreams }) });
}
