// What a gateway speaks to services, whatever its clients speak.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { startDataPlane } from './data-plane.ts';
import { edgeTo } from './edge.ts';
import { ask } from './http2-app.ts';

const anyService = (port: number): string => `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: any}
spec:
  hosts: [any.example]
  resolution: STATIC
  ports: [{number: 80, name: p, protocol: "", targetPort: ${port}}]
  endpoints: [{address: 127.0.0.1}]
`;

test('a client of HTTP/2 reaches an application of HTTP/1.1 whose port declares nothing', async (t) => {
  const app = createServer((request, response) => response.end(request.httpVersion));
  await new Promise<void>((listening) => app.listen(0, '127.0.0.1', listening));
  const { port } = app.address() as AddressInfo;
  const plane = await startDataPlane({
    role: 'gateway',
    yaml: [anyService(port), ...edgeTo('any.example').split('---')],
  });
  const client = connect(`http://127.0.0.1:${plane.ports.gateway}`);
  t.after(() => {
    client.destroy();
    plane.close();
    app.close();
    app.closeAllConnections();
  });
  const { status, body } = await ask(client, { ':path': '/', ':authority': 'any.example' });
  assert.deepEqual([status, body], [200, '1.1']);
});
