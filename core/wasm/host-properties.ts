// Host functions: properties. `weft.filter_config` is this route's configuration of the current filter.

import { Status } from './abi.ts';
import { WasmConnection } from './connection.ts';
import type { HostFunction } from './host-table.ts';
import type { Instance } from './instance.ts';
import { connectionProperty, property } from './properties.ts';
import { WasmStream } from './stream.ts';

const MAX_PATH = 1024;
const MAX_VALUE = 64 * 1024;
const MAX_PROPERTIES = 256;
const FILTER_CONFIG = 'weft\0filter_config';

export function propertyFunctions(vm: Instance): Record<string, HostFunction> {
  const { memory, host } = vm;

  /** Segments joined by NUL; a NUL at the end is optional. */
  const pathAt = (at: number, length: number): string => {
    const end = length > 0 && memory.bytes[at + length - 1] === 0 ? length - 1 : length;
    return memory.latin1(at, end);
  };

  return {
    proxy_get_property: (path: number, length: number, pointerAt: number, lengthAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_property');
      memory.attach();
      if (!memory.holds(path >>> 0, length >>> 0)) return Status.InvalidMemoryAccess;
      const context = vm.effective;
      if (context === null || length >>> 0 > MAX_PATH) return Status.NotFound;
      const name = pathAt(path >>> 0, length >>> 0);
      if (host.observer !== null) {
        const given = host.observer.property(name.replaceAll('\0', '.'));
        if (given !== undefined) return vm.giveBytes(given, 0, given.length, pointerAt >>> 0, lengthAt >>> 0);
      }
      if (name === FILTER_CONFIG) {
        const config = context instanceof WasmStream ? context.config : null;
        if (config === null) return Status.NotFound;
        return vm.giveBytes(config, 0, config.length, pointerAt >>> 0, lengthAt >>> 0);
      }
      const value =
        (context instanceof WasmConnection ? connectionProperty(name, context.owner.record) : undefined) ??
        property(name, context.plugin, host.node, context.stream);
      if (value === undefined) return Status.NotFound;
      if (typeof value === 'string') return vm.giveText(value, pointerAt >>> 0, lengthAt >>> 0);
      return vm.giveBytes(value, 0, value.length, pointerAt >>> 0, lengthAt >>> 0);
    },
    // A store per stream that later filters read. It shadows nothing: known properties are found first.
    proxy_set_property: (path: number, length: number, value: number, size: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_set_property');
      memory.attach();
      if (!memory.holds(path >>> 0, length >>> 0) || !memory.holds(value >>> 0, size >>> 0)) {
        return Status.InvalidMemoryAccess;
      }
      const state = vm.effective?.stream?.state;
      if (state === undefined) return Status.Ok;
      if (length >>> 0 > MAX_PATH || size >>> 0 > MAX_VALUE) return Status.BadArgument;
      const name = pathAt(path >>> 0, length >>> 0);
      if (state.size >= MAX_PROPERTIES && !state.has(name)) return Status.BadArgument;
      state.set(name, memory.copyOut(value >>> 0, size >>> 0));
      return Status.Ok;
    },
  };
}
