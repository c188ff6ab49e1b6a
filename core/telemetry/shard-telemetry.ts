// All that a shard tells of its exchanges: access log, metrics, its own log. Everything leaves as messages to the main
// thread or as numbers in shared memory.

import type { ExchangeRecord } from '../exchange/record.ts';
import type { FromShard, LogLevel, ShardStart } from '../shard/protocol.ts';
import { AccessLog } from './access-log.ts';
import { LogBacklog } from './log-backlog.ts';
import { Metrics } from './metrics.ts';
import { sideOf, type TelemetryPlan } from './plan.ts';
import type { RecordSink } from './record-sink.ts';
import { MAX_SETS } from './statistics.ts';

const SWEEP_MS = 60_000;
/** A filter or a peer can cause messages without end. */
const MESSAGES_A_SECOND = 200;
const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warning', 'error'];

export class ShardTelemetry implements RecordSink {
  logLevel: LogLevel;
  private readonly metrics: Metrics;
  /** Null: nothing has been logged, and nothing need be. */
  private accessLog: AccessLog | null;
  private readonly openAccessLog: () => AccessLog;
  private readonly logsByDefault: boolean;
  private readonly post: (message: FromShard) => void;
  private readonly sweeping: NodeJS.Timeout;
  private secondBegan = performance.now();
  private messages = 0;

  constructor(start: ShardStart, post: (message: FromShard) => void) {
    const { options, statistics, node, series } = start;
    this.post = post;
    this.logLevel = options.logLevel;
    this.metrics = new Metrics({
      statistics,
      node,
      known: series,
      announce: (series) => post({ type: 'series', ...series }),
      retire: (slot) => post({ type: 'series-gone', slot }),
      overflowed: () =>
        this.log(
          'warning',
          'metrics',
          `there are more label sets than a shard counts apart (${MAX_SETS}): what is new counts as "other"`,
        ),
    });
    this.sweeping = setInterval(() => this.metrics.sweep(performance.now(), options.seriesExpiryMs), SWEEP_MS);
    this.sweeping.unref();
    const backlog = new LogBacklog(statistics);
    backlog.reset();
    this.logsByDefault = options.accessLog !== 'off';
    this.openAccessLog = () =>
      new AccessLog({
        format: options.accessLog === 'json' ? 'json' : 'text',
        backlog,
        write: (lines) => post({ type: 'access-log', lines }),
      });
    this.accessLog = this.logsByDefault ? this.openAccessLog() : null;
  }

  exchangeEnded(record: ExchangeRecord, plan: TelemetryPlan | null): void {
    this.metrics.exchangeEnded(record, plan);
    this.writeLine(record, plan);
  }

  connectionOpened(record: ExchangeRecord, plan: TelemetryPlan | null): void {
    this.metrics.connectionOpened(record, plan);
  }

  connectionMoved(record: ExchangeRecord, received: number, sent: number, plan: TelemetryPlan | null): void {
    this.metrics.connectionMoved(record, received, sent, plan);
  }

  connectionEnded(record: ExchangeRecord, plan: TelemetryPlan | null): void {
    this.metrics.connectionEnded(record, plan);
    this.writeLine(record, plan);
  }

  private writeLine(record: ExchangeRecord, plan: TelemetryPlan | null): void {
    const log = plan === null ? null : sideOf(plan, record).accessLog;
    if (log === null) this.accessLog?.exchangeEnded(record);
    else if ((log.named || this.logsByDefault) && log.passes(record)) {
      this.accessLog ??= this.openAccessLog();
      this.accessLog.exchangeEnded(record);
    }
  }

  log(level: LogLevel, component: string, message: string): void {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(this.logLevel)) return;
    const now = performance.now();
    if (now - this.secondBegan >= 1_000) {
      const lost = this.messages - MESSAGES_A_SECOND;
      this.secondBegan = now;
      this.messages = 0;
      if (lost > 0)
        this.post({ type: 'log', level: 'warning', component: 'main', message: `${lost} messages were left out` });
    }
    if (++this.messages > MESSAGES_A_SECOND) return;
    this.post({ type: 'log', level, component, message });
  }

  /** Posts what is gathered of the access log. */
  flush(): void {
    this.accessLog?.flush();
  }

  close(): void {
    clearInterval(this.sweeping);
    this.accessLog?.close();
  }
}
