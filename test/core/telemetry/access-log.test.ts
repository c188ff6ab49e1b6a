import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AccessLog } from '../../../core/telemetry/access-log.ts';
import { LogBacklog } from '../../../core/telemetry/log-backlog.ts';
import { STATISTICS_BYTES } from '../../../core/telemetry/statistics.ts';
import { exchange } from './exchange-record.ts';

describe('the access log', () => {
  it('gathers lines and hands them on together, in order, when asked', () => {
    const written: string[] = [];
    const log = new AccessLog({ format: 'json', write: (lines) => written.push(lines) });
    for (const requestId of ['a', 'b', 'c']) log.exchangeEnded(exchange({ requestId }));
    assert.equal(written.length, 0);
    log.flush();
    log.flush();
    assert.equal(written.length, 1);
    const [batch] = written;
    const lines = batch.trimEnd().split('\n');
    assert.deepEqual(
      lines.map((line) => JSON.parse(line).request_id),
      ['a', 'b', 'c'],
    );
    log.close();
  });

  it('hands on what is more than 16 KiB without waiting', () => {
    const written: string[] = [];
    const log = new AccessLog({ format: 'text', write: (lines) => written.push(lines) });
    for (let i = 0; i < 70; i++) log.exchangeEnded(exchange());
    assert.equal(written.length, 1);
    assert.ok(written[0].length > 16 * 1024 && written[0].length < 17 * 1024);
    log.close();
    assert.equal(written.join('').split('\n').length - 1, 70);
  });

  it('hands on a single line after a while, again and again', async (t) => {
    // The log's own timer does not keep a process alive.
    const alive = setInterval(() => {}, 1000);
    t.after(() => clearInterval(alive));
    let written: (lines: string) => void = () => {};
    const log = new AccessLog({ format: 'json', write: (lines) => written(lines) });
    for (const requestId of ['a', 'b', 'c']) {
      const lines = new Promise<string>((resolve) => {
        written = resolve;
      });
      log.exchangeEnded(exchange({ requestId }));
      assert.equal(JSON.parse(await lines).request_id, requestId);
    }
    log.close();
  });

  it('drops and counts lines while more than 1 MiB is not written down, and goes on when it is', () => {
    const statistics = new SharedArrayBuffer(STATISTICS_BYTES);
    const backlog = new LogBacklog(statistics);
    const reader = new LogBacklog(statistics);
    const pending: string[] = [];
    const log = new AccessLog({ format: 'text', backlog, write: (lines) => pending.push(lines) });
    for (let i = 0; i < 10_000; i++) log.exchangeEnded(exchange());
    log.flush();
    const chars = pending.join('').length;
    const lines = pending.join('').split('\n').length - 1;
    assert.ok(chars <= 1024 * 1024 + 1024, `${chars}`);
    assert.ok(log.dropped > 0);
    assert.equal(log.dropped + lines, 10_000);
    assert.equal(reader.dropped, log.dropped);
    reader.written(chars);
    const { dropped } = log;
    log.exchangeEnded(exchange());
    assert.equal(log.dropped, dropped);
    log.close();
  });

  it('of a new shard does not wait for what the dead one had on its way', () => {
    const statistics = new SharedArrayBuffer(STATISTICS_BYTES);
    new LogBacklog(statistics).posted(2_000_000);
    const backlog = new LogBacklog(statistics);
    assert.equal(backlog.unwritten, 2_000_000);
    backlog.reset();
    assert.equal(backlog.unwritten, 0);
    // It arrives after all.
    backlog.written(2_000_000);
    assert.equal(backlog.unwritten, 0);
  });
});
