// The proxy's own words: one line each to standard error, at or above a level that can change while it runs.

import type { LogLevel } from '../shard/protocol.ts';
import type { Log } from './options.ts';

export const LOG_LEVELS: readonly LogLevel[] = ['debug', 'info', 'warning', 'error'];

/** What a peer sent may end up in a message: controls, line ends, and marks that turn writing around (Unicode TR9). */
const CONTROL = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

export class ProxyLog {
  level: LogLevel;
  private readonly sink: Log;

  constructor(level: LogLevel, sink: Log = toStandardError) {
    this.level = level;
    this.sink = sink;
  }

  readonly write: Log = (level, component, message) => {
    if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(this.level)) return;
    this.sink(level, component, message.replace(CONTROL, ' '));
  };
}

/** '2026-01-01T00:00:00.000Z	info	main	shard 1 is started again', as Istio's proxies print. */
function toStandardError(level: LogLevel, component: string, message: string): void {
  process.stderr.write(`${new Date().toISOString()}\t${level}\t${component}\t${message}\n`);
}
