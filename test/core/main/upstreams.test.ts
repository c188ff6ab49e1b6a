// Ports that a proxy opens for its application: where they listen, and what of their connections people can see.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { eventually } from '../../until.ts';
import { bench, GATEWAY, get } from './harness.ts';

test('a port of its own leads to a service, and is in metrics, access log and dumps', async (t) => {
  const { dir, write, start, upstream } = await bench(t);
  await write(
    'entry.yaml',
    `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db}
spec:
  hosts: [db.example.com]
  ports: [{number: 5432, name: tcp-pg, protocol: TCP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, ports: {tcp-pg: ${upstream}}}]`,
  );
  const file = join(dir, 'access.log');
  const proxy = await start({
    node: { ...GATEWAY, role: 'sidecar', workload: 'shop', labels: { app: 'shop' } },
    listeners: {
      outbound: { address: '127.0.0.1', port: 0 },
      upstreams: [{ upstream: 'db.example.com:5432', address: '127.0.0.1', port: 0 }],
    },
    accessLog: { format: 'text', file },
  });
  await proxy.ready;
  const { port } = proxy.listeners.find(({ name }) => name === 'db.example.com:5432')!;
  assert.notEqual(proxy.outbound, `http://127.0.0.1:${port}`);
  const answer = await new Promise<string>((resolve, reject) => {
    let heard = '';
    const socket = connect(port, '127.0.0.1');
    socket.on('data', (chunk) => {
      heard += chunk;
    });
    socket.on('end', () => resolve(heard));
    socket.on('error', reject);
    socket.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
  });
  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n[\s\S]*upstream$/);
  await eventually(async () => {
    const { body } = await get(`${proxy.admin}/stats/prometheus`);
    const of = (name: string): string => body.split('\n').find((line) => line.startsWith(`${name}{`)) ?? '';
    for (const name of ['opened', 'closed']) {
      assert.match(of(`istio_tcp_connections_${name}_total`), /source_workload="shop".*request_protocol="tcp".* 1$/);
    }
    assert.match(of('istio_tcp_received_bytes_total'), / 46$/);
    assert.match(of('istio_tcp_sent_bytes_total'), new RegExp(` ${answer.length}$`));
    const cluster = 'outbound|5432||db.example.com';
    const line = await readFile(file, 'utf8');
    const start = `] "- - -" 0 - - - "-" 46 ${answer.length} `;
    assert.ok(line.includes(start) && line.includes(`"127.0.0.1:${upstream}" ${cluster} `), line);
  });
  const { body } = await get(`${proxy.admin}/config_dump?resource=routes`);
  const { routes } = JSON.parse(body) as { routes: { listener: string; action: string }[] };
  const shown = routes.find(({ listener }) => listener === 'db.example.com:5432');
  assert.equal(shown?.action, 'outbound|5432||db.example.com');
});
