// Host functions: properties. What there is to read is properties.ts's.

import { type HostFunction, Status } from './abi.ts';
import type { Guest } from './guest.ts';
import { NameCache } from './name-cache.ts';
import { propertyReader } from './properties.ts';

const MAX_PATH = 1024;
const MAX_VALUE = 64 * 1024;
const MAX_PROPERTIES = 256;
/** Units of fuel for bytes that are made for the guest: a whole map, a claim. */
const MADE = 10_000;
const MADE_BYTE = 8;

export function propertyFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory, host } = vm;

  const readers = new NameCache(propertyReader);

  /** Of a path in segments joined by NUL; a NUL at its end is optional. */
  const sizeOf = (at: number, length: number): number =>
    length > 0 && memory.bytes[at + length - 1] === 0 ? length - 1 : length;

  return {
    proxy_get_property: (path: number, length: number, pointerAt: number, lengthAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_property');
      memory.attach();
      const at = path >>> 0;
      if (!memory.holds(at, length >>> 0)) return Status.InvalidMemoryAccess;
      const context = vm.effective;
      if (context === null || length >>> 0 > MAX_PATH) return Status.NotFound;
      const size = sizeOf(at, length >>> 0);
      const given = host.observer?.property(memory.latin1(at, size).replaceAll('\0', '.'));
      const value = given ?? readers.get(memory, at, size)(context, host.node);
      if (value === undefined) return Status.NotFound;
      if (typeof value === 'string') return vm.giveText(value, pointerAt >>> 0, lengthAt >>> 0);
      if (value.length > 8) vm.pay(MADE + value.length * MADE_BYTE);
      return vm.giveBytes(value, 0, value.length, pointerAt >>> 0, lengthAt >>> 0);
    },
    // A store per stream, and per connection, that later filters read. It shadows nothing: known properties are found first.
    proxy_set_property: (path: number, length: number, value: number, size: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_set_property');
      memory.attach();
      if (!memory.holds(path >>> 0, length >>> 0) || !memory.holds(value >>> 0, size >>> 0)) {
        return Status.InvalidMemoryAccess;
      }
      const state = vm.effective?.stream?.state ?? vm.effective?.connection?.owner.state;
      if (state === undefined) return Status.Ok;
      if (length >>> 0 > MAX_PATH || size >>> 0 > MAX_VALUE) return Status.BadArgument;
      const name = memory.latin1(path >>> 0, sizeOf(path >>> 0, length >>> 0));
      if (state.size >= MAX_PROPERTIES && !state.has(name)) return Status.BadArgument;
      state.set(name, memory.copyOut(value >>> 0, size >>> 0));
      return Status.Ok;
    },
  };
}
