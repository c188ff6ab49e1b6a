// All that a shard tells of its exchanges: access log, metrics, its own log. Everything leaves as messages to the main
// thread or as numbers in shared memory.

import type { FromShard, LogLevel, ShardStart } from '../protocol.ts';
import type { ExchangeRecord, RecordSink } from '../record.ts';
import { AccessLog } from './access-log.ts';
import { LogBacklog } from './log-backlog.ts';
import { Metrics } from './metrics.ts';

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warning', 'error'];

export class ShardTelemetry implements RecordSink {
  logLevel: LogLevel;
  private readonly metrics: Metrics;
  private readonly accessLog: AccessLog | null;
  private readonly post: (message: FromShard) => void;

  constructor(start: ShardStart, post: (message: FromShard) => void) {
    const { options, statistics, node, series } = start;
    this.post = post;
    this.logLevel = options.logLevel;
    this.metrics = new Metrics({
      statistics,
      node,
      known: series,
      announce: ({ slot, name, labels }) => post({ type: 'series', slot, name, labels }),
    });
    const backlog = new LogBacklog(statistics);
    backlog.reset();
    this.accessLog =
      options.accessLog === 'off'
        ? null
        : new AccessLog({
            format: options.accessLog,
            backlog,
            write: (lines) => post({ type: 'access-log', lines }),
          });
  }

  exchangeEnded(record: ExchangeRecord): void {
    this.metrics.exchangeEnded(record);
    this.accessLog?.exchangeEnded(record);
  }

  log(level: LogLevel, component: string, message: string): void {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(this.logLevel)) return;
    this.post({ type: 'log', level, component, message });
  }

  /** Posts what is gathered of the access log. */
  flush(): void {
    this.accessLog?.flush();
  }

  close(): void {
    this.accessLog?.close();
  }
}
