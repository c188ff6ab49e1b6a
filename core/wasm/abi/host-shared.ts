// Host functions: shared data and shared queues, scoped by the plugin's vm id.

import { NO_QUEUE } from '../shared/queues.ts';
import { type HostFunction, Status } from './abi.ts';
import type { Guest } from './guest.ts';
import { vmScope } from './vm-scope.ts';

export function sharedFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory, host } = vm;
  const { shared, queues } = host;
  return {
    proxy_get_shared_data: (key: number, length: number, pointerAt: number, lengthAt: number, casAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_shared_data');
      memory.attach();
      if (!memory.holds(key >>> 0, length >>> 0) || !memory.holds(casAt >>> 0, 4)) return Status.InvalidMemoryAccess;
      const context = vm.effective;
      if (context === null) return Status.NotFound;
      const found = shared.get(context.plugin.scope, memory.bytes, key >>> 0, length >>> 0);
      if (found !== Status.Ok) return found;
      const { value, cas } = shared;
      const given = vm.giveBytes(value, 0, value.length, pointerAt >>> 0, lengthAt >>> 0);
      if (given === Status.Ok) memory.setU32(casAt >>> 0, cas);
      return given;
    },
    proxy_set_shared_data: (key: number, keyLength: number, value: number, length: number, cas: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_set_shared_data');
      memory.attach();
      if (!memory.holds(key >>> 0, keyLength >>> 0) || !memory.holds(value >>> 0, length >>> 0)) {
        return Status.InvalidMemoryAccess;
      }
      const context = vm.effective;
      if (context === null) return Status.BadArgument;
      const { scope } = context.plugin;
      return shared.set(scope, memory.bytes, key >>> 0, keyLength >>> 0, value >>> 0, length >>> 0, cas >>> 0);
    },
    proxy_register_shared_queue: (name: number, length: number, out: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_register_shared_queue');
      memory.attach();
      if (!memory.holds(name >>> 0, length >>> 0) || !memory.holds(out >>> 0, 4)) return Status.InvalidMemoryAccess;
      const context = vm.effective;
      if (context === null) return Status.BadArgument;
      const { plugin } = context;
      // A trial takes nothing away from the plugin that serves.
      const owner = host.trial ? null : plugin;
      const scope = vmScope(plugin.name, plugin.spec.vmId);
      const id = queues.register(scope, memory.utf8(name >>> 0, length >>> 0), owner);
      if (id === NO_QUEUE)
        host.log('warning', plugin.name, 'registers too many shared queues: nothing passes this one');
      memory.setU32(out >>> 0, id);
      return Status.Ok;
    },
    proxy_resolve_shared_queue: (vmId: number, vmIdLength: number, name: number, length: number, out: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_resolve_shared_queue');
      memory.attach();
      if (
        !memory.holds(vmId >>> 0, vmIdLength >>> 0) ||
        !memory.holds(name >>> 0, length >>> 0) ||
        !memory.holds(out >>> 0, 4)
      ) {
        return Status.InvalidMemoryAccess;
      }
      const scope = vmScope(vm.effective?.plugin.name ?? '', memory.utf8(vmId >>> 0, vmIdLength >>> 0));
      const id = queues.resolve(scope, memory.utf8(name >>> 0, length >>> 0));
      if (id === 0) return Status.NotFound;
      memory.setU32(out >>> 0, id);
      return Status.Ok;
    },
    proxy_enqueue_shared_queue: (id: number, value: number, length: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_enqueue_shared_queue');
      memory.attach();
      if (!memory.holds(value >>> 0, length >>> 0)) return Status.InvalidMemoryAccess;
      return queues.enqueue(id >>> 0, memory.copyOut(value >>> 0, length >>> 0));
    },
    proxy_dequeue_shared_queue: (id: number, pointerAt: number, lengthAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_dequeue_shared_queue');
      memory.attach();
      if (!memory.holds(pointerAt >>> 0, 4) || !memory.holds(lengthAt >>> 0, 4)) return Status.InvalidMemoryAccess;
      const value = queues.dequeue(id >>> 0);
      if (typeof value === 'number') return value;
      return vm.giveBytes(value, 0, value.length, pointerAt >>> 0, lengthAt >>> 0);
    },
  };
}
