// What somebody who configures a mesh is told, wherever the configuration goes: to the control plane, or to a proxy's folder.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatProblem } from '../../core/config/decode.ts';
import type { Problem } from '../../core/config/resource.ts';
import { startDataPlane } from '../control/harness.ts';
import { bench, reverseProxy } from '../core/main/harness.ts';

const MORE = `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - name: first
    match: [{uri: {prefix: /a}, statPrefix: s}]
    mirror: {host: shadow}
    route: [{destination: {host: gone}}]
  - match: [{uri: {prefix: /b}}]
    delegate: {name: other}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: secure}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 8443, protocol: HTTPS, name: https}, hosts: [a.test], tls: {mode: PASSTHROUGH}, defaultEndpoint: '127.0.0.1:1'}]
---
apiVersion: networking.istio.io/v1beta1
kind: ProxyConfig
metadata: {name: all}
spec: {concurrency: 1}
`;

test('a proxy tells of a folder what the control plane tells of the same files, with the same places', async (t) => {
  const plane = await startDataPlane();
  t.after(() => plane.stop());
  const { dir, write, start, upstream, log } = await bench(t);
  const files = { 'edge.yaml': reverseProxy(upstream), 'more.yaml': MORE };
  for (const [name, text] of Object.entries(files)) await write(name, text);
  const applied = await plane.call<{ warnings: Problem[] }>('POST', '/v1/apply?dryRun=true', {
    files: Object.entries(files).map(([name, text]) => ({ name: join(dir, name), text })),
  });
  assert.equal(applied.status, 200, JSON.stringify(applied.body));
  const proxy = await start({ gatewayPorts: { 80: 0, 8080: 0, 8443: 0 } });
  await proxy.ready;
  const told = log.all.filter((line) => line.startsWith('warning config: '));
  assert.deepEqual(
    told.sort(),
    applied.body.warnings.map((warning) => `warning config: ${formatProblem(warning)}`).sort(),
  );
  for (const what of ['mirroring', 'delegation', 'statPrefix', 'defaultEndpoint', 'kind ProxyConfig', '"gone"'])
    assert.ok(
      told.some((line) => line.includes(what)),
      what,
    );
});

test('a change of a folder is told of as its first state was', async (t) => {
  const { dir, write, start, upstream, log } = await bench(t);
  await write('edge.yaml', reverseProxy(upstream));
  await start();
  assert.deepEqual(
    log.all.filter((line) => line.includes('warning')),
    [],
  );
  await write('more.yaml', MORE.slice(0, MORE.indexOf('---')));
  await log.line(/revision 2 runs/);
  assert.ok(log.all.some((line) => line.includes(`${dir}/more.yaml:9:13: warning: not enforced yet: mirroring`)));
});
