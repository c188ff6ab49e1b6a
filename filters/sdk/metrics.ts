// Counters that all shards share. Define them in onConfigure(): the same name is the same counter everywhere.

import { proxy_define_metric, proxy_increment_metric } from './abi';
import { temporary } from './arena';
import { Slice } from './slice';

const COUNTER: u32 = 0;

/** What increment() takes. A host that has no room for it counts nothing. */
export function counter(name: Slice): u32 {
  const out = temporary(4);
  return proxy_define_metric(COUNTER, name.ptr, name.length, out) == 0 ? load<u32>(out) : 0;
}

export function increment(counter: u32, by: i64 = 1): void {
  proxy_increment_metric(counter, by);
}
