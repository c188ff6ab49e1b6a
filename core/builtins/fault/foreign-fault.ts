// Host function of the fault filter: whether one more fault may be under way in this proxy. Only built-in filters have it.
//   weft_begin_fault(u32 most)  Ok: it counts until the stream ends

import { MetricType, Status } from '../../wasm/abi/abi.ts';
import type { ForeignFunction } from '../../wasm/abi/foreign.ts';
import { HOST } from '../../wasm/shared/metrics.ts';
import type { ActiveFaults } from './shared-faults.ts';

const OVERFLOWS = 'weft_fault_overflows_total';

export function faultFunctions(faults: ActiveFaults): Readonly<Record<string, ForeignFunction>> {
  return {
    weft_begin_fault({ effective, host, memory }, at, length) {
      if (length !== 4 || effective === null || effective.stream === null) return Status.BadArgument;
      if (effective.whenDone !== null) return Status.Ok;
      if (faults.begin(memory.bytes.readUInt32LE(at))) {
        effective.whenDone = faults;
        return Status.Ok;
      }
      host.metrics.count(host.metrics.define(MetricType.Counter, OVERFLOWS, HOST));
      return Status.NotFound;
    },
  };
}
