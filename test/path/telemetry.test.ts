import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MessageChannel } from 'node:worker_threads';
import { decodeYaml } from '../../core/config/decode.ts';
import { unenforced } from '../../core/config/unenforced.ts';
import { createShardMemory } from '../../core/shard/memory.ts';
import type { FromShard } from '../../core/shard/protocol.ts';
import { Exposition } from '../../core/telemetry/prometheus.ts';
import { StatisticsRegistry } from '../../core/telemetry/registry.ts';
import { ShardTelemetry } from '../../core/telemetry/shard-telemetry.ts';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';

const registry = new StatisticsRegistry(1);
const exposition = new Exposition(registry);
const lines: string[] = [];
const closers: (() => unknown)[] = [];
let plane: RunningDataPlane;
let telemetry: ShardTelemetry;

before(async () => {
  const { port1, port2 } = new MessageChannel();
  port1.close();
  telemetry = new ShardTelemetry(
    {
      index: 0,
      shards: 1,
      filterThreads: 0,
      node: {
        id: 'sidecar~127.0.0.1~caller.default~cluster.local',
        name: 'caller-1',
        workload: 'caller',
        namespace: 'default',
        serviceAccount: 'default',
        trustDomain: 'cluster.local',
        labels: {},
        role: 'sidecar',
        address: '',
        app: null,
        services: [],
      },
      port: port2,
      pulse: new SharedArrayBuffer(4),
      statistics: registry.memory[0],
      shared: createShardMemory(1, 0),
      modules: [],
      series: [],
      options: {
        protectedPorts: [],
        reusePort: false,
        logLevel: 'info',
        accessLog: 'off',
        outboundPolicy: 'ALLOW_ANY',
        maxActiveRequests: 100,
        seriesExpiryMs: 3_600_000,
        drainTimeoutMs: 0,
        handshakeTimeoutMs: 15_000,
        sessionSeed: 'seed',
      },
    },
    (message: FromShard) => {
      if (message.type === 'series') registry.announced(0, structuredClone(message));
      if (message.type === 'access-log') lines.push(...message.lines.trimEnd().split('\n'));
    },
  );
  const app = await startApp((request, response) => {
    response.statusCode = request.url === '/broken' ? 500 : 200;
    response.end('ok');
  });
  closers.push(app.close, () => telemetry.close());
  plane = await startDataPlane({ yaml: [serviceEntry('shop.example', app.port)], sink: telemetry });
  closers.push(plane.close);
});

after(async () => {
  for (const close of closers) await close();
});

const TELEMETRY = `
apiVersion: telemetry.istio.io/v1
kind: Telemetry
metadata: {name: of-the-shop}
spec:
  accessLogging:
    - providers: [{name: envoy}]
      filter: {expression: "response.code >= 500 || 'x-log' in request.headers"}
  metrics:
    - providers: [{name: prometheus}]
      overrides:
        - match: {metric: REQUEST_COUNT}
          tagOverrides:
            request_method: {value: request.method}
            tenant: {value: "request.headers['x-tenant']"}
            source_principal: {operation: REMOVE}
        - match: {metric: RESPONSE_SIZE}
          disabled: true
`;

async function get(path: string, ...fields: string[]): Promise<void> {
  const ended = plane.records.length + 1;
  const head = [`GET ${path} HTTP/1.1`, 'Host: shop.example', 'Connection: close', ...fields, '', ''].join('\r\n');
  await exchangeBytes(plane.ports.outbound, head);
  await plane.ended(ended);
  telemetry.flush();
}

test('without a Telemetry, requests are counted as ever and a log that is off stays off', async () => {
  await get('/');
  assert.deepEqual(lines, []);
  assert.match(exposition.render(), /istio_requests_total{reporter="source",.*response_code="200".*} 1\n/);
  assert.match(exposition.render(), /istio_response_bytes_count/);
});

test('a Telemetry takes effect with the next request: filtered lines, chosen tags', async () => {
  const warned = decodeYaml(TELEMETRY).resources.flatMap(unenforced);
  assert.deepEqual(warned, []);
  plane.apply(TELEMETRY);
  await get('/', 'X-Tenant: a"b');
  await get('/broken', 'X-Tenant: blue');
  await get('/', 'X-Log: 1');
  assert.deepEqual(
    lines.map((line) => /"GET (\S+) HTTP\/1.1" (\d+)/.exec(line)?.slice(1)),
    [
      ['/broken', '500'],
      ['/', '200'],
    ],
  );
  const text = exposition.render();
  assert.match(text, /istio_requests_total{[^}]*request_method="GET",tenant="a\\"b"} 1\n/);
  assert.match(text, /istio_requests_total{[^}]*response_code="500"[^}]*request_method="GET",tenant="blue"} 1\n/);
  assert.match(text, /istio_requests_total{[^}]*tenant="unknown"} 1\n/);
  const chosen = text.split('\n').filter((line) => line.includes('tenant='));
  assert.ok(chosen.every((line) => !line.includes('source_principal=')));
  assert.match(text, /istio_response_bytes_count{[^}]*response_code="200"[^}]*} 1\n/, 'counted before, and no more');
});
