// Host functions: buffers (bodies, configurations, arguments of a foreign call).

import type { BodyBuffer } from '../../exchange/body-buffer.ts';
import { BufferType, type HostFunction, Status } from './abi.ts';
import type { Guest } from './guest.ts';

const MAX_U32 = 0xffffffff;

export function bufferFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory } = vm;
  return {
    proxy_get_buffer_bytes: (type: number, from: number, max: number, pointerAt: number, lengthAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_buffer_bytes');
      memory.attach();
      const bytes = bytesOf(vm, type);
      if (bytes === null) return Status.NotFound;
      const start = from >>> 0;
      if (start + (max >>> 0) > MAX_U32) return Status.BadArgument;
      const length = Math.max(0, Math.min(max >>> 0, bytes.length - start));
      return vm.giveBytes(bytes, start, length, pointerAt >>> 0, lengthAt >>> 0);
    },
    proxy_get_buffer_status: (type: number, lengthAt: number, flagsAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_buffer_status');
      memory.attach();
      if (!memory.holds(lengthAt >>> 0, 4) || !memory.holds(flagsAt >>> 0, 4)) return Status.InvalidMemoryAccess;
      const body = mayRead(vm, type) ? bodyOf(vm, type) : null;
      const bytes = body === null ? bytesOf(vm, type) : null;
      if (body === null && bytes === null) return Status.NotFound;
      memory.setU32(lengthAt >>> 0, body?.length ?? bytes!.length);
      memory.setU32(flagsAt >>> 0, 0);
      return Status.Ok;
    },
    proxy_set_buffer_bytes: (type: number, start: number, remove: number, data: number, length: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_set_buffer_bytes');
      memory.attach();
      if (!memory.holds(data >>> 0, length >>> 0)) return Status.InvalidMemoryAccess;
      const body = mayChange(vm, type) ? bodyOf(vm, type) : null;
      if (body === null) return bytesOf(vm, type) === null ? Status.NotFound : Status.BadArgument;
      body.splice(start >>> 0, remove >>> 0, memory.copyOut(data >>> 0, length >>> 0));
      return Status.Ok;
    },
    // 0.1.0: the VM's or the plugin's configuration, whichever the running callback is about.
    proxy_get_configuration: (pointerAt: number, lengthAt: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_configuration');
      memory.attach();
      const bytes = bytesOf(vm, vm.startingVm ? BufferType.VmConfiguration : BufferType.PluginConfiguration);
      if (bytes === null) return Status.BadArgument;
      return vm.giveBytes(bytes, 0, bytes.length, pointerAt >>> 0, lengthAt >>> 0);
    },
  };
}

function mayRead(vm: Guest, type: number): boolean {
  const doors = vm.effective?.plugin.doors;
  return doors === undefined || (isData(type) ? doors.readData : doors.readBodies);
}

function mayChange(vm: Guest, type: number): boolean {
  const doors = vm.effective?.plugin.doors;
  return doors === undefined || (isData(type) ? doors.changeData : doors.changeBodies);
}

function isData(type: number): boolean {
  return type === BufferType.DownstreamData || type === BufferType.UpstreamData;
}

/** What passes or is held, of the exchange or the connection in effect. */
export function bodyOf(vm: Guest, type: number): BodyBuffer | null {
  const stream = vm.effective?.stream;
  if (!stream) {
    const connection = vm.effective?.connection;
    if (!connection) return null;
    if (type === BufferType.DownstreamData) return connection.data.downstream;
    return type === BufferType.UpstreamData ? connection.data.upstream : null;
  }
  if (type === BufferType.RequestBody) return stream.body('request');
  if (type === BufferType.ResponseBody) return stream.body('response');
  return null;
}

function bytesOf(vm: Guest, type: number): Uint8Array | null {
  switch (type) {
    case BufferType.RequestBody:
    case BufferType.ResponseBody:
    case BufferType.DownstreamData:
    case BufferType.UpstreamData:
      return mayRead(vm, type) ? (bodyOf(vm, type)?.bytes() ?? null) : null;
    case BufferType.HttpCallBody:
      return vm.httpCalls.response?.body ?? null;
    case BufferType.GrpcMessage:
      return vm.grpcCalls.message;
    case BufferType.VmConfiguration:
      return vm.effective?.plugin.spec.vmConfiguration ?? null;
    case BufferType.PluginConfiguration:
      return vm.effective?.plugin.spec.configuration ?? null;
    case BufferType.ForeignArguments:
      return vm.foreignArguments;
    default:
      return null;
  }
}
