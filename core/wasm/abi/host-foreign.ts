// Host functions beside the standard's, called by name: Envoy's that guests expect, ours, and those that whoever runs the guest
// injects for it (foreign.ts).
//   weft_resume_after(u32 ms)  the paused request continues by itself
//   weft_wake_after(u32 ms)    proxy_on_foreign_function(context, WAKE, 0) is called once, unless the stream ends before
//   weft_flag(flag)            sets a response flag, such as "FI"

import { deflateSync, inflateSync } from 'node:zlib';
import { FLAGS, type Flag } from '../../errors.ts';
import { type HostFunction, Status } from './abi.ts';
import { FuelSpent } from './abort.ts';
import type { Guest } from './guest.ts';
import { NameCache } from './name-cache.ts';

const MAX_BYTES = 1024 * 1024;
/** Units of fuel: of a codec that is set up, and for a byte that it reads. */
const CODEC = 100_000;
const DEFLATE = 60;
const INFLATE = 10;
const FLAG_NAMES: ReadonlyMap<string, Flag> = new Map(FLAGS.map(([flag]) => [flag, flag]));

/** As a ForeignFunction. */
type OwnFunction = (vm: Guest, at: number, length: number) => number | Uint8Array;

const OWN: ReadonlyMap<string, OwnFunction> = new Map<string, OwnFunction>([
  [
    'weft_resume_after',
    (vm, at, length) => {
      if (length !== 4 || !vm.effective?.stream) return Status.BadArgument;
      vm.effective.stream.resumeAfter(vm.memory.u32(at));
      return Status.Ok;
    },
  ],
  [
    'weft_wake_after',
    (vm, at, length) => {
      const http = vm.effective?.http;
      if (length !== 4 || !http) return Status.BadArgument;
      return http.wakeAfter(vm.memory.u32(at)) ? Status.Ok : Status.NotFound;
    },
  ],
  [
    'weft_flag',
    (vm, at, length) => {
      const flag = length < 8 ? FLAG_NAMES.get(vm.memory.latin1(at, length)) : undefined;
      if (flag === undefined || !vm.effective?.stream) return Status.BadArgument;
      vm.effective.stream.addFlag(flag);
      return Status.Ok;
    },
  ],
  [
    'clear_route_cache',
    (vm) => {
      if (!vm.effective?.stream) return Status.BadArgument;
      vm.effective.stream.clearRouteCache();
      return Status.Ok;
    },
  ],
  ['declare_property', () => Status.Ok],
  ['compress', (vm, at, length) => bounded(vm, at, length, DEFLATE, (bytes) => deflateSync(bytes))],
  [
    'uncompress',
    (vm, at, length) => bounded(vm, at, length, INFLATE, (bytes) => inflateSync(bytes, { maxOutputLength: MAX_BYTES })),
  ],
]);

/** What every guest may call by name. */
export const FOREIGN_NAMES: readonly string[] = [...OWN.keys()];

export function foreignFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory } = vm;
  const functions = new NameCache((name) => OWN.get(name) ?? vm.foreign.get(name));
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
      if (!memory.holds(name >>> 0, nameLength >>> 0) || !memory.holds(parameters >>> 0, length >>> 0)) {
        return Status.InvalidMemoryAccess;
      }
      const foreign = nameLength >>> 0 > 64 ? undefined : functions.get(memory, name >>> 0, nameLength >>> 0);
      if (foreign === undefined) return Status.NotFound;
      const result = foreign(vm, parameters >>> 0, length >>> 0);
      if (typeof result === 'number') {
        if (result !== Status.Ok || pointerAt === 0 || lengthAt === 0) return result;
        return vm.giveText('', pointerAt >>> 0, lengthAt >>> 0);
      }
      if (pointerAt === 0 || lengthAt === 0) return Status.Ok;
      return vm.giveBytes(result, 0, result.length, pointerAt >>> 0, lengthAt >>> 0);
    },
  };
}

/** Runs a codec over at most MAX_BYTES; what it cannot read or may not produce is SERIALIZATION_FAILURE. */
function bounded(
  vm: Guest,
  at: number,
  length: number,
  unitsPerByte: number,
  codec: (bytes: Buffer) => Uint8Array,
): number | Uint8Array {
  if (length > MAX_BYTES) return Status.BadArgument;
  vm.pay(CODEC + length * unitsPerByte);
  try {
    const result = codec(vm.memory.bytes.subarray(at, at + length));
    vm.pay(result.length * INFLATE);
    return result;
  } catch (error) {
    if (error instanceof FuelSpent || !(error instanceof Error)) throw error;
    return Status.SerializationFailure;
  }
}
