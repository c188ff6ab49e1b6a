// Host functions beside the standard's, called by name: Envoy's that guests expect, and ours.
//   weft_resume_after(u32 ms)  the paused request continues by itself
//   weft_wake_after(u32 ms)    proxy_on_foreign_function(context, WAKE, 0) is called once, unless the stream ends before
//   weft_flag(flag)            sets a response flag, such as "FI"
//   weft_token_rules, weft_verify_token   foreign-token.ts
//   weft_begin_fault                      foreign-fault.ts
//   weft_rate_limits, weft_take_tokens    foreign-limit.ts
//   weft_matches                          foreign-pattern.ts

import { deflateSync, inflateSync } from 'node:zlib';

import { FLAGS, type Flag } from '../errors.ts';
import { Status } from './abi.ts';
import { beginFault } from './foreign-fault.ts';
import { setRateLimits, takeTokens } from './foreign-limit.ts';
import { matchesPattern } from './foreign-pattern.ts';
import { setTokenRules, verifyToken } from './foreign-token.ts';
import type { HostFunction } from './host-table.ts';
import type { Instance } from './instance.ts';
import { WasmStream } from './stream.ts';

const MAX_BYTES = 1024 * 1024;
const FLAG_NAMES: ReadonlyMap<string, Flag> = new Map(FLAGS.map(([flag]) => [flag, flag]));

/** A status, or bytes for the guest. */
type Foreign = (vm: Instance, parameters: Buffer) => number | Uint8Array;

/** Reads its parameters where they lie in the guest, and answers over them: nothing is made for it. */
type InPlace = (vm: Instance, at: number, length: number) => number;

const FUNCTIONS: ReadonlyMap<string, Foreign> = new Map<string, Foreign>([
  [
    'weft_resume_after',
    (vm, parameters) => {
      if (parameters.length !== 4 || !vm.effective?.stream) return Status.BadArgument;
      vm.effective.stream.resumeAfter(parameters.readUInt32LE(0));
      return Status.Ok;
    },
  ],
  [
    'weft_wake_after',
    (vm, parameters) => {
      if (parameters.length !== 4 || !(vm.effective instanceof WasmStream)) return Status.BadArgument;
      return vm.effective.wakeAfter(parameters.readUInt32LE(0)) ? Status.Ok : Status.NotFound;
    },
  ],
  [
    'weft_flag',
    (vm, parameters) => {
      const flag = parameters.length < 8 ? FLAG_NAMES.get(parameters.toString('latin1')) : undefined;
      if (flag === undefined || !vm.effective?.stream) return Status.BadArgument;
      vm.effective.stream.addFlag(flag);
      return Status.Ok;
    },
  ],
  ['weft_token_rules', setTokenRules],
  ['weft_verify_token', verifyToken],
  ['weft_rate_limits', setRateLimits],
  [
    'clear_route_cache',
    (vm) => {
      if (!vm.effective?.stream) return Status.BadArgument;
      vm.effective.stream.clearRouteCache();
      return Status.Ok;
    },
  ],
  ['declare_property', () => Status.Ok],
  ['compress', (_vm, parameters) => bounded(parameters, (bytes) => deflateSync(bytes))],
  [
    'uncompress',
    (_vm, parameters) => bounded(parameters, (bytes) => inflateSync(bytes, { maxOutputLength: MAX_BYTES })),
  ],
]);

const IN_PLACE: readonly (readonly [Uint8Array, InPlace])[] = [
  [Buffer.from('weft_take_tokens'), takeTokens],
  [Buffer.from('weft_matches'), matchesPattern],
  [Buffer.from('weft_begin_fault'), beginFault],
];

export function foreignFunctions(vm: Instance): Record<string, HostFunction> {
  const { memory } = vm;
  return {
    proxy_call_foreign_function: (
      name: number,
      nameLength: number,
      parameters: number,
      length: number,
      pointerAt: number,
      lengthAt: number,
    ) => {
      if (vm.stage !== 'running') vm.forbid('proxy_call_foreign_function');
      memory.attach();
      const from = parameters >>> 0;
      if (!memory.holds(name >>> 0, nameLength >>> 0) || !memory.holds(from, length >>> 0)) {
        return Status.InvalidMemoryAccess;
      }
      const inPlace = findInPlace(memory.bytes, name >>> 0, nameLength >>> 0);
      if (inPlace !== null) return inPlace(vm, from, length >>> 0);
      const foreign = nameLength >>> 0 > 64 ? undefined : FUNCTIONS.get(memory.latin1(name >>> 0, nameLength >>> 0));
      if (foreign === undefined) return Status.NotFound;
      const result = foreign(vm, memory.bytes.subarray(from, from + (length >>> 0)));
      if (typeof result === 'number') {
        if (result !== Status.Ok || pointerAt === 0 || lengthAt === 0) return result;
        return vm.giveText('', pointerAt >>> 0, lengthAt >>> 0);
      }
      if (pointerAt === 0 || lengthAt === 0) return Status.Ok;
      return vm.giveBytes(result, 0, result.length, pointerAt >>> 0, lengthAt >>> 0);
    },
  };
}

function findInPlace(bytes: Uint8Array, at: number, length: number): InPlace | null {
  for (const [name, run] of IN_PLACE) {
    if (name.length !== length) continue;
    let i = 0;
    while (i < length && bytes[at + i] === name[i]) i++;
    if (i === length) return run;
  }
  return null;
}

/** Runs a codec over at most MAX_BYTES; what it cannot read or may not produce is SERIALIZATION_FAILURE. */
function bounded(parameters: Buffer, codec: (bytes: Buffer) => Uint8Array): number | Uint8Array {
  if (parameters.length > MAX_BYTES) return Status.BadArgument;
  try {
    return codec(parameters);
  } catch (error) {
    if (error instanceof Error) return Status.SerializationFailure;
    throw error;
  }
}
