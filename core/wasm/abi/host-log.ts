// Host functions: logging and time. The only ones that a guest may call while it starts or allocates.

import type { LogLevel } from '../../shard/protocol.ts';
import { GuestLog, type HostFunction, Status } from './abi.ts';
import type { Guest } from './guest.ts';
import { TOO_MUCH } from './log-ration.ts';

const MAX_MESSAGE = 4096;
const LEVELS: readonly LogLevel[] = ['debug', 'debug', 'info', 'warning', 'error', 'error'];

export function logFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory, host } = vm;
  return {
    proxy_log: (level: number, message: number, length: number) => {
      if (level >>> 0 > GuestLog.Critical) return Status.BadArgument;
      if (level < host.logThreshold) return Status.Ok;
      memory.attach();
      if (!memory.holds(message >>> 0, length >>> 0)) return Status.InvalidMemoryAccess;
      vm.output?.flush();
      logOf(vm, level, memory.utf8(message >>> 0, Math.min(length >>> 0, MAX_MESSAGE)));
      return Status.Ok;
    },
    proxy_get_log_level: (out: number) => {
      memory.attach();
      if (!memory.holds(out >>> 0, 4)) return Status.InvalidMemoryAccess;
      memory.setU32(out >>> 0, host.logThreshold);
      return Status.Ok;
    },
    proxy_get_current_time_nanoseconds: (out: number) => {
      memory.attach();
      if (!memory.holds(out >>> 0, 8)) return Status.InvalidMemoryAccess;
      memory.setU64(out >>> 0, nanoseconds(host.now()));
      return Status.Ok;
    },
    proxy_set_tick_period_milliseconds: (period: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_set_tick_period_milliseconds');
      if (vm.current === null) return Status.BadArgument;
      vm.current.plugin.setTick(period >>> 0);
      return Status.Ok;
    },
  };
}

/** Logs in the name of the plugin whose turn it is. `level`: the guest's. */
export function logOf(vm: Guest, level: number, message: string): void {
  vm.lastMessage = message;
  const { observer } = vm.host;
  if (observer !== null) {
    observer.log(level, message);
    return;
  }
  const plugin = vm.current?.plugin ?? null;
  const allowed = (plugin?.logRation ?? vm.logRation).take(message.length, vm.host.coarse());
  if (allowed === 'no') return;
  const name = plugin?.name ?? '';
  if (allowed === 'yes') vm.host.log(LEVELS[level], name, message);
  else vm.host.log('warning', name, TOO_MUCH);
}

export function nanoseconds(milliseconds: number): bigint {
  const whole = Math.floor(milliseconds);
  return BigInt(whole) * 1_000_000n + BigInt(Math.floor((milliseconds - whole) * 1_000_000));
}
