// Host functions: metrics.

import { builtinOwner, NO_METRIC } from '../shared/metrics.ts';
import { type HostFunction, MetricType, Status } from './abi.ts';
import type { Guest } from './guest.ts';

export function metricFunctions(vm: Guest): Record<string, HostFunction> {
  const { memory, host } = vm;
  const { metrics } = host;
  let crowded = false;
  return {
    proxy_define_metric: (type: number, name: number, length: number, out: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_define_metric');
      memory.attach();
      if (!memory.holds(name >>> 0, length >>> 0) || !memory.holds(out >>> 0, 4)) return Status.InvalidMemoryAccess;
      if (type >>> 0 > MetricType.Histogram) return Status.BadArgument;
      const plugin = vm.effective?.plugin.name ?? '';
      const text = memory.utf8(name >>> 0, length >>> 0);
      // One of our own may name a whole series, with its labels.
      const series = text.endsWith('}') && vm.effective?.plugin.spec.builtin != null;
      const id = metrics.define(type >>> 0, text, series ? builtinOwner(plugin) : plugin);
      if (id === NO_METRIC && !crowded) {
        crowded = true;
        host.log('warning', plugin, 'defines too many metrics, or one with too long a name: it is not counted');
      }
      memory.setU32(out >>> 0, id);
      return Status.Ok;
    },
    proxy_increment_metric: (id: number, delta: bigint) => {
      if (vm.stage !== 'running') vm.forbid('proxy_increment_metric');
      return metrics.increment(id >>> 0, delta);
    },
    proxy_record_metric: (id: number, value: bigint) => {
      if (vm.stage !== 'running') vm.forbid('proxy_record_metric');
      return metrics.record(id >>> 0, BigInt.asUintN(64, value));
    },
    proxy_get_metric: (id: number, out: number) => {
      if (vm.stage !== 'running') vm.forbid('proxy_get_metric');
      memory.attach();
      if (!memory.holds(out >>> 0, 8)) return Status.InvalidMemoryAccess;
      const value = metrics.get(id >>> 0);
      if (typeof value === 'number') return value;
      memory.setU64(out >>> 0, value);
      return Status.Ok;
    },
  };
}
