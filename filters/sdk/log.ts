// Logging. The level is asked for once in each callback that logs, so that a change of it takes effect at once.

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
/** False: the host has not been asked in this callback. */
let known: bool = false;

/** True if a message of this level would be seen: ask before composing one. */
export function logs(level: Level): bool {
  if (!known) learn();
  return <u32>level >= threshold;
}

export function log(level: Level, message: string): void {
  if (logs(level)) logBytes(level, utf8(message));
}

export function logBytes(level: Level, message: Slice): void {
  if (logs(level)) proxy_log(level, message.ptr, message.length);
}

/** A callback begins: the level may be another. */
export function forgetLevel(): void {
  known = false;
}

function learn(): void {
  known = true;
  const out = temporary(4);
  if (proxy_get_log_level(out) == 0) threshold = load<u32>(out);
}
