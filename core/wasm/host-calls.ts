// Host functions: calls of a guest to other services. No upstream is declared to filters, so every name is unknown; each
// answer is one that the public SDKs hand to their author as an error.

import { Status } from './abi.ts';
import type { HostFunction } from './host-table.ts';
import type { Instance } from './instance.ts';

export function callFunctions(vm: Instance): Record<string, HostFunction> {
  const { memory } = vm;
  return {
    proxy_http_call: (upstream: number, length: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_http_call');
      memory.attach();
      return memory.holds(upstream >>> 0, length >>> 0) ? Status.BadArgument : Status.InvalidMemoryAccess;
    },
    proxy_grpc_call: (upstream: number, length: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_grpc_call');
      memory.attach();
      return memory.holds(upstream >>> 0, length >>> 0) ? Status.ParseFailure : Status.InvalidMemoryAccess;
    },
    proxy_grpc_stream: (upstream: number, length: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_grpc_stream');
      memory.attach();
      return memory.holds(upstream >>> 0, length >>> 0) ? Status.ParseFailure : Status.InvalidMemoryAccess;
    },
    proxy_grpc_send: () => Status.NotFound,
    proxy_grpc_cancel: () => Status.NotFound,
    proxy_grpc_close: () => Status.NotFound,
    proxy_get_status: (codeAt: number, pointerAt: number, lengthAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_status');
      memory.attach();
      if (!memory.holds(codeAt >>> 0, 4)) return Status.InvalidMemoryAccess;
      memory.setU32(codeAt >>> 0, 0);
      return vm.giveText('', pointerAt >>> 0, lengthAt >>> 0);
    },
  };
}
