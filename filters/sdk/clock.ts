// Time.

import { clock_time_get, proxy_get_current_time_nanoseconds, proxy_set_tick_period_milliseconds } from './abi';
import { temporary } from './arena';

/** Nanoseconds since the epoch. */
export function now(): u64 {
  const out = temporary(8);
  return proxy_get_current_time_nanoseconds(out) == 0 ? load<u64>(out) : 0;
}

const MONOTONIC: u32 = 1;

/** Nanoseconds since some time, which nobody sets back: to measure by, finer than now(). */
export function elapsed(): u64 {
  const out = temporary(8);
  return clock_time_get(MONOTONIC, 0, out) == 0 ? load<u64>(out) : 0;
}

/** onTick() is called every `ms` milliseconds; 0 stops it. For onConfigure(). */
export function setTick(ms: u32): void {
  proxy_set_tick_period_milliseconds(ms);
}
