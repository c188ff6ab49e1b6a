// What stands behind the names of order.ts: each built-in by its room, and what those that share memory or answer their
// modules have of both.

import type { ForeignFunctions } from '../wasm/abi/foreign.ts';
import { authn } from './authn/authn.ts';
import type { Builtin, BuiltinMemory, BuiltinShard } from './builtin.ts';
import { cors } from './cors/cors.ts';
import { extAuthz } from './ext-authz/ext-authz.ts';
import { fault } from './fault/fault.ts';
import { headers } from './headers/headers.ts';
import { type BuiltinName, ORDER } from './order.ts';
import { ratelimit } from './ratelimit/ratelimit.ts';
import { rbac } from './rbac/rbac.ts';

export const BUILTINS: Readonly<Record<BuiltinName, Builtin>> = {
  ...{ authn, cors, fault, headers, ratelimit, rbac },
  'ext-authz': extAuthz,
};

const NOTHING = new SharedArrayBuffer(0);

/** What the shards of a proxy share: made by the main thread, handed to every shard. */
export function createBuiltinMemory(shards: number): BuiltinMemory {
  const memory: { -readonly [Name in keyof BuiltinMemory]: BuiltinMemory[Name] } = {};
  for (const { name } of ORDER) {
    const { shared } = BUILTINS[name];
    if (shared !== undefined) memory[name] = shared.create(shards);
  }
  return memory;
}

/** Frees what this shard, which is dead, held. Main thread. */
export function releaseBuiltinMemory(memory: BuiltinMemory, shard: number): void {
  for (const { name } of ORDER) {
    const held = memory[name];
    if (held !== undefined) BUILTINS[name].shared?.release(held, shard);
  }
}

/** What the modules of all built-ins may call by name in one shard. */
export function foreignFunctions(
  shard: Omit<BuiltinShard, 'memory'> & { readonly memory: BuiltinMemory },
): ForeignFunctions {
  const { memory } = shard;
  return new Map(
    ORDER.flatMap(({ name }) =>
      Object.entries(BUILTINS[name].foreign?.({ ...shard, memory: memory[name] ?? NOTHING }) ?? {}),
    ),
  );
}
