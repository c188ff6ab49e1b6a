// Host function of the fault filter: whether one more fault may be under way in this proxy. Only built-in filters have it.
//   weft_begin_fault(u32 most)  Ok: it counts until the stream ends

import { MetricType, Status } from '../../wasm/abi/abi.ts';
import type { Instance } from '../../wasm/guest/instance.ts';
import { WasmStream } from '../../wasm/guest/stream.ts';
import { HOST } from '../../wasm/shared/metrics.ts';

const OVERFLOWS = 'weft_fault_overflows_total';

export function beginFault({ effective, host, memory }: Instance, at: number, length: number): number {
  if (length !== 4 || !(effective instanceof WasmStream)) return Status.BadArgument;
  if (!effective.plugin.spec.builtin) return Status.NotFound;
  if (effective.fault !== null) return Status.Ok;
  if (host.faults.begin(memory.bytes.readUInt32LE(at))) {
    effective.fault = host.faults;
    return Status.Ok;
  }
  host.metrics.count(host.metrics.define(MetricType.Counter, OVERFLOWS, HOST));
  return Status.NotFound;
}
