// Logging. The level is asked for once in a while, so that a statement below it costs a comparison.

import { proxy_get_log_level, proxy_log } from './abi';
import { temporary } from './arena';
import { Slice, utf8 } from './slice';

export enum Level {
  Trace,
  Debug,
  Info,
  Warn,
  Error,
  Critical,
}

let threshold: u32 = Level.Info;

/** True if a message of this level would be seen: ask before composing one. */
export function logs(level: Level): bool {
  return <u32>level >= threshold;
}

export function log(level: Level, message: string): void {
  if (logs(level)) logBytes(level, utf8(message));
}

export function logBytes(level: Level, message: Slice): void {
  if (logs(level)) proxy_log(level, message.ptr, message.length);
}

/** The host's level, now. */
export function refreshLevel(): void {
  const out = temporary(4);
  if (proxy_get_log_level(out) == 0) threshold = load<u32>(out);
}
