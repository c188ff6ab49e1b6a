// The access log of a shard: one line an exchange, gathered and handed on in batches. Never waits for who writes them down:
// when too much is on its way already, lines are dropped and counted.

import type { ExchangeRecord } from '../exchange/record.ts';
import type { LogBacklog } from './log-backlog.ts';
import { compileFormat, compileJsonFormat, ISTIO_JSON, ISTIO_TEXT, type LineFormat } from './log-format.ts';

export interface AccessLogOptions {
  readonly format: 'text' | 'json';
  /** Takes whole lines, each with its newline. */
  write(lines: string): void;
  /** Where the reader of the lines says how far it is. Without: whatever `write` took counts as written. */
  readonly backlog?: LogBacklog;
}

const BATCH_CHARS = 16 * 1024;
const BATCH_MS = 100;
const MAX_UNWRITTEN_CHARS = 1024 * 1024;

export class AccessLog {
  /** Lines that nobody will see. */
  dropped = 0;
  private readonly options: AccessLogOptions;
  private readonly format: LineFormat;
  private readonly timer: NodeJS.Timeout;
  private lines = '';

  constructor(options: AccessLogOptions) {
    this.options = options;
    this.format = options.format === 'json' ? compileJsonFormat(ISTIO_JSON) : compileFormat(ISTIO_TEXT);
    this.timer = setTimeout(() => this.flush(), BATCH_MS).unref();
  }

  exchangeEnded(record: ExchangeRecord): void {
    const { backlog } = this.options;
    if (backlog !== undefined && this.lines.length + backlog.unwritten > MAX_UNWRITTEN_CHARS) {
      this.dropped++;
      backlog.lost(1);
      return;
    }
    if (this.lines === '') this.timer.refresh();
    this.lines += this.format(record);
    if (this.lines.length > BATCH_CHARS) this.flush();
  }

  /** Hands on what there is, now. */
  flush(): void {
    if (this.lines === '') return;
    const { lines, options } = this;
    this.lines = '';
    options.backlog?.posted(lines.length);
    options.write(lines);
  }

  close(): void {
    this.flush();
    clearTimeout(this.timer);
  }
}
