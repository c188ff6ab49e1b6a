import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { createShardMemory } from '../../../core/shard/memory.ts';
import type { FromShard, ShardStart } from '../../../core/shard/protocol.ts';
import { StatisticsRegistry } from '../../../core/telemetry/registry.ts';
import { ShardTelemetry } from '../../../core/telemetry/shard-telemetry.ts';
import { exchange, PRODUCTPAGE } from './exchange-record.ts';

function rig(accessLog: ShardStart['options']['accessLog'], seriesExpiryMs = 3_600_000) {
  const registry = new StatisticsRegistry(1);
  const posted: FromShard[] = [];
  const { port1, port2 } = new MessageChannel();
  port1.close();
  const start = (): ShardStart => ({
    index: 0,
    filterThreads: 0,
    shards: 1,
    node: {
      ...PRODUCTPAGE,
      id: 'sidecar~127.1.0.1~productpage-v1-1.default~default.svc.cluster.local',
      role: 'sidecar',
      address: '127.1.0.1',
      app: null,
      services: [],
    },
    port: port2,
    pulse: new SharedArrayBuffer(4),
    statistics: registry.memory[0],
    shared: createShardMemory(1, 0),
    modules: [],
    series: registry.series(0),
    options: {
      protectedPorts: [],
      reusePort: false,
      logLevel: 'info',
      accessLog,
      outboundPolicy: 'ALLOW_ANY',
      maxActiveRequests: 100,
      seriesExpiryMs,
      drainTimeoutMs: 0,
      handshakeTimeoutMs: 15_000,
      sessionSeed: 'seed',
    },
  });
  const telemetry = () =>
    new ShardTelemetry(start(), (message) => {
      posted.push(structuredClone(message));
      if (message.type === 'series') registry.announced(0, message);
    });
  return { registry, posted, telemetry };
}

const types = (posted: readonly FromShard[]) => posted.map(({ type }) => type);

describe("a shard's telemetry", () => {
  it('gives up a label set that counted nothing for as long as it is told, and not before', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const gone = (expiryMs: number): boolean => {
      const { posted, telemetry } = rig('off', expiryMs);
      const shard = telemetry();
      shard.exchangeEnded(exchange(), null);
      t.mock.timers.tick(120_000);
      shard.close();
      return types(posted).includes('series-gone');
    };
    // The clock itself stands still meanwhile.
    assert.deepEqual([gone(0), gone(3_600_000)], [true, false]);
  });

  it('announces a new label set, counts, and posts the access log when flushed', () => {
    const { registry, posted, telemetry } = rig('json');
    const shard = telemetry();
    shard.exchangeEnded(exchange(), null);
    shard.exchangeEnded(exchange(), null);
    assert.deepEqual(types(posted), ['series']);
    shard.flush();
    assert.deepEqual(types(posted), ['series', 'access-log']);
    const [series] = registry.series(0);
    assert.equal(registry.slots(0)[series.slot], 2);
    const log = posted[1];
    assert.ok(log.type === 'access-log' && log.lines.split('\n').length === 3);
    shard.close();
  });

  it('of the next shard in its place announces nothing that is known', () => {
    const { registry, posted, telemetry } = rig('off');
    telemetry().exchangeEnded(exchange(), null);
    telemetry().exchangeEnded(exchange(), null);
    assert.deepEqual(types(posted), ['series']);
    assert.equal(registry.slots(0)[registry.series(0)[0].slot], 2);
  });

  it('posts no access log when it is off, and the rest of the log from its level on', () => {
    const { posted, telemetry } = rig('off');
    const shard = telemetry();
    shard.exchangeEnded(exchange(), null);
    shard.log('debug', 'wasm', 'a');
    shard.log('warning', 'wasm', 'b');
    shard.logLevel = 'debug';
    shard.log('debug', 'wasm', 'c');
    shard.close();
    assert.deepEqual(
      posted.flatMap((message) => (message.type === 'log' ? [message.message] : [])),
      ['b', 'c'],
    );
    assert.ok(!types(posted).includes('access-log'));
  });

  it('does not let a filter that logs without end flood the main thread', (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const clock = t.mock.method(performance, 'now', () => 10_000);
    const { posted, telemetry } = rig('off');
    const shard = telemetry();
    for (let i = 0; i < 1_000; i++) shard.log('info', 'wasm', `message ${i}`);
    assert.equal(posted.length, 200);
    clock.mock.mockImplementation(() => 11_000);
    shard.log('info', 'wasm', 'later');
    assert.deepEqual(
      posted.slice(200).map((message) => message.type === 'log' && message.message),
      ['800 messages were left out', 'later'],
    );
  });
});
