// A proxy that is revoked while two others run: the way from the control plane to whoever speaks with it.

import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { type Proxy as MeshProxy, startProxy } from '../../../core/main.ts';
import type { Node } from '../../../core/workload.ts';
import { get } from '../../core/main/harness.ts';
import { until } from '../../until.ts';
import { files, type Plane, startDataPlane } from '../harness.ts';

const idOf = (name: string): string => `sidecar~127.0.0.1~${name}.default~default.svc.cluster.local`;

describe('a proxy that is revoked', { timeout: 120_000 }, () => {
  let plane: Plane;
  let app: Server;
  const proxies: MeshProxy[] = [];

  before(async () => {
    plane = await startDataPlane();
    app = createServer((_, response) => response.end('here'));
    await new Promise<void>((listening) => app.listen(0, '127.0.0.1', listening));
  });
  after(async () => {
    await Promise.all(proxies.map((proxy) => proxy.close()));
    app?.close();
    await plane?.stop();
  });

  async function start(name: string, port: number, listeners: object): Promise<MeshProxy> {
    const node: Node = {
      id: idOf(name),
      ...{ name, workload: name, namespace: 'default', serviceAccount: name, trustDomain: 'cluster.local' },
      ...{ labels: { app: name }, role: 'sidecar', address: '127.0.0.1' },
      ...{ app: { address: '127.0.0.1', port }, services: [] },
    };
    const { mesh } = plane;
    // As `mesh run` gets one: the control plane keeps what it made.
    const enrol = async (publicKey: string): Promise<string> => {
      const body = { namespace: 'default', serviceAccount: name, publicKey };
      const path = `/v1/proxies/${encodeURIComponent(node.id)}/user`;
      return (await plane.call<{ jwt: string }>('POST', path, body)).body.jwt;
    };
    const user = { ...mesh.user(node.id, { serviceAccount: name }), enrol };
    const bus = { servers: [mesh.server.url], name, ...mesh.server.credentials.proxy, user };
    const source = { kind: 'bus', bus } as const;
    const proxy = await startProxy({ node, source, listeners, shards: 1, accessLog: { format: 'off' } });
    proxies.push(proxy);
    return proxy;
  }

  it('is refused by its peers at once, though its certificate has not ended, and nobody else is', async () => {
    const { port } = app.address() as AddressInfo;
    const rules = `apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080, targetPort: ${port}}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: STRICT}}
`;
    assert.equal((await plane.call('POST', '/v1/apply', files(rules))).status, 200);
    const server = await start('reviews', port, { inbound: { address: '127.0.0.1', port: 0 } });
    const [stolen, other] = [
      await start('productpage', 1, { outbound: { address: '127.0.0.1', port: 0 } }),
      await start('ratings', 2, { outbound: { address: '127.0.0.1', port: 0 } }),
    ];
    await Promise.all([server, stolen, other].map(({ ready }) => ready));
    const ask = async (through: MeshProxy): Promise<number> =>
      (await get(`${through.outbound}/a`, { headers: { host: 'reviews:9080' } })).status;
    for (const proxy of [stolen, other]) {
      await until('the endpoint is known', async () => (await ask(proxy)) === 200);
    }
    const { status, body } = await plane.call('POST', `/v1/proxies/${encodeURIComponent(idOf('productpage'))}/revoke`);
    assert.deepEqual([status, body], [200, { revoked: 1 }]);
    await until('its peer refuses it', async () => (await ask(stolen)) === 503);
    assert.equal(await ask(other), 200);
    assert.equal(await ask(stolen), 503);
  });

  it('that nobody knows changes nothing', async () => {
    const { status, body } = await plane.call('POST', '/v1/proxies/nobody/revoke');
    assert.deepEqual([status, body], [200, { revoked: 0 }]);
  });
});
