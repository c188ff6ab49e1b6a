// The configuration's timer.

import { proxy_set_tick_period_milliseconds } from './abi';

/** onTick() is called every `ms` milliseconds; 0 stops it. For onConfigure(). */
export function setTick(ms: u32): void {
  proxy_set_tick_period_milliseconds(ms);
}
