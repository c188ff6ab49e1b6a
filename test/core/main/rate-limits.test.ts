import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exchangeBytes } from '../../path/data-plane.ts';
import { bench, portOf, reverseProxy } from './harness.ts';

const POLICY = `
apiVersion: weft.dev/v1
kind: RateLimitPolicy
metadata: {name: edge}
spec: {limits: [{name: all, requests: 20, per: 24h}]}
`;

test('all shards of a proxy take from one bucket, exactly as many as it holds, and the counters add up', async (t) => {
  const { write, start, upstream } = await bench(t);
  await write('edge.yaml', reverseProxy(upstream));
  await write('limit.yaml', POLICY);
  const proxy = await start({ shards: 2 });
  const port = portOf(proxy);
  const request = `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`;
  // A connection each: the system gives some to either shard.
  const answers = await Promise.all(Array.from({ length: 60 }, () => exchangeBytes(port, request)));
  const statuses = answers.map((answer) => answer.slice(9, 12)).sort();
  assert.deepEqual(statuses, [...new Array(20).fill('200'), ...new Array(40).fill('429')]);
  const response = await fetch(`${proxy.admin}/stats/prometheus`);
  const series = (await response.text()).split('\n').filter((line) => line.startsWith('weft_rate_limit'));
  assert.deepEqual(series.sort(), [
    'weft_rate_limit_requests_total{policy="default/edge",limit="all",result="limited"} 40',
    'weft_rate_limit_requests_total{policy="default/edge",limit="all",result="ok"} 20',
  ]);
});
