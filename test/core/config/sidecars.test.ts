// What is told of Sidecars beside each other, and of hosts that they import and that are not there.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeYaml, formatProblem } from '../../../core/config/decode.ts';
import { crossCheck } from '../../../core/config/validate.ts';

const sidecar = (name: string, spec: object): string =>
  JSON.stringify({ apiVersion: 'networking.istio.io/v1', kind: 'Sidecar', metadata: { name }, spec });
const SERVICE = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'cart', namespace: 'shop' },
  spec: { ports: [{ name: 'http', port: 80 }] },
});

function told(...texts: string[]): string[] {
  const { resources, problems } = decodeYaml([SERVICE, ...texts].join('\n---\n'));
  assert.deepEqual(problems, []);
  return crossCheck(resources).map(formatProblem);
}

test('of two Sidecars for the same workloads both are told of, and which of them counts', () => {
  const egress = [{ hosts: ['./*'] }];
  const selecting = (app: string): object => ({ workloadSelector: { labels: { app } }, egress });
  const lines = told(sidecar('a', { egress }), sidecar('b', { egress }), sidecar('c', selecting('a')));
  assert.equal(lines.length, 2);
  for (const line of lines)
    assert.match(line, /IST0111.*default\/a, default\/b are for all workloads .*: the first of them counts/);
  const alike = told(sidecar('a', selecting('a')), sidecar('b', selecting('a')), sidecar('c', selecting('b')));
  assert.equal(alike.length, 2);
  for (const line of alike) assert.match(line, /IST0110.*default\/a, default\/b select the same workloads/);
});

test('an imported host that is not there is told of, a wildcard of any or of none is not', () => {
  const hosts = ['./*', '~/*', 'shop/cart.shop.svc.cluster.local', '*/*.shop.svc.cluster.local', 'shop/card.shop.svc'];
  const [line, ...others] = told(sidecar('a', { egress: [{ hosts: [...hosts, 'api/*.gone.example'] }] }));
  assert.match(line, /IST0101.*Referenced host not found: "shop\/card\.shop\.svc".*\/spec\/egress\/0\/hosts\/4/);
  assert.equal(others.length, 1);
  assert.match(others[0], /api\/\*\.gone\.example/);
});
