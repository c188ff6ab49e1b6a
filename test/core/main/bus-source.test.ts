import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { digestOf } from '../../../bus/digest.ts';
import type { Lease } from '../../../bus/types.ts';
import { decodeYaml } from '../../../core/config/decode.ts';
import { resourceKey } from '../../../core/config/resource.ts';
import type { WorkloadEndpoint } from '../../../core/workload.ts';
import { denying } from '../../plugins/wat.ts';
import { until } from '../../until.ts';
import { onBus } from './bus-harness.ts';
import { GATEWAY, get, listen, portOf, reverseProxy, sidecar, virtualService } from './harness.ts';

suite('a proxy on the bus', () => {
  test('runs each commit on every shard and acknowledges it with the time that took', async (t) => {
    const { start, commit, statuses, upstream } = await onBus(t);
    await commit(reverseProxy(upstream));
    const proxy = await start({ shards: 2 });
    await proxy.ready;
    await until('the first ack', () => statuses.some(({ ok }) => ok));
    assert.equal((await get(`http://127.0.0.1:${portOf(proxy)}/`)).status, 200);
    const revision = await commit(virtualService('/only-here'));
    await until('the second ack', () => statuses.some((status) => status.revision === revision));
    const status = statuses.find((candidate) => candidate.revision === revision)!;
    assert.deepEqual([status.proxy, status.ok, status.shards, status.problems], [GATEWAY.id, true, 2, []]);
    assert.ok(status.ms > 0 && status.ms < 20_000);
    for (let i = 0; i < 8; i++) assert.equal((await get(`http://127.0.0.1:${portOf(proxy)}/`)).status, 404);
  });

  test('trusts no wire: what does not decode is refused with its problems, and the old configuration stays whole', async (t) => {
    const { start, commit, commitRaw, statuses, upstream } = await onBus(t);
    await commit(reverseProxy(upstream));
    const proxy = await start();
    await proxy.ready;
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    const body = decodeYaml(virtualService('/x')).resources[0];
    const broken = { ...body, metadata: { ...body.metadata, name: 'broken' }, spec: { hosts: ['*'], htttp: [] } };
    // A good resource in the same commit changes nothing either.
    const bad = await commitRaw([
      ['VirtualService/default/broken', broken],
      ['VirtualService/default/everything', body],
    ]);
    await until('the nack', () => statuses.some(({ revision, ok }) => revision === bad && !ok));
    const nack = statuses.find(({ revision }) => revision === bad)!;
    assert.match(JSON.stringify(nack.problems), /htttp/);
    assert.equal((await get(url)).status, 200);
    const { body: info } = await get(`${proxy.admin}/server_info`);
    assert.equal(JSON.parse(info).config_revision, 1);
    // The next commit repairs it, and brings what was held back.
    const good = await commitRaw([], ['VirtualService/default/broken']);
    await until('the ack', () => statuses.some(({ revision, ok }) => revision === good && ok));
    assert.equal((await get(url)).status, 404);
    assert.equal((await get(`${url}x`)).status, 200);
  });

  test('leaves out what only a newer control plane knows, says so, and runs the rest, live and from its disk', async (t) => {
    const { mesh, start, commit, commitRaw, statuses, upstream, log, dir } = await onBus(t);
    await commit(reverseProxy(upstream));
    const stateDir = join(dir, 'state');
    const proxy = await start({ stateDir });
    await proxy.ready;
    const metadata = { name: 'a', namespace: 'default' };
    const newer = { apiVersion: 'weft.dev/v9', kind: 'Hologram', metadata, spec: {} };
    const revision = await commitRaw([
      ['Hologram/default/a', newer],
      ['VirtualService/default/everything', decodeYaml(virtualService('/x')).resources[0]],
    ]);
    const acked = () => statuses.find((status) => status.revision === revision);
    await until('the ack', () => acked() !== undefined);
    assert.equal(acked()!.ok, true);
    const message = 'this version of the proxy does not know the kind, and leaves the resource out';
    const told = { severity: 'warning', code: 'kind', resource: 'Hologram/default/a', pointer: '/kind', message };
    assert.deepEqual(acked()!.problems, [told]);
    assert.equal((await get(`http://127.0.0.1:${portOf(proxy)}/`)).status, 404);
    await proxy.close();
    await mesh.kill();
    const second = await start({ stateDir });
    await second.ready;
    await log.line(/state: .*Hologram\/default\/a.*does not know the kind/);
    assert.equal((await get(`http://127.0.0.1:${portOf(second)}/x`)).status, 200);
  });

  test('starts and serves from its disk while NATS is away, and catches up when it is back', async (t) => {
    const { mesh, control, start, commit, upstream, log, dir } = await onBus(t);
    await commit(reverseProxy(upstream));
    const stateDir = join(dir, 'state');
    const first = await start({ stateDir });
    await first.ready;
    await first.close();
    const { mode } = await stat(join(stateDir, 'last-good.json'));
    assert.equal(mode & 0o777, 0o600);
    await mesh.kill();
    const second = await start({ stateDir });
    await second.ready;
    assert.equal((await get(`http://127.0.0.1:${portOf(second)}/`)).status, 200);
    assert.equal((await get(`${second.admin}/ready`)).body, 'LIVE\n');
    await log.line(/revision 1 of the last run serves until NATS answers/);
    await mesh.start();
    await until('the control plane is back', () => control.connected);
    await commit(virtualService('/only-here'));
    await until('it caught up', async () => (await get(`http://127.0.0.1:${portOf(second)}/`)).status === 404);
  });

  test('without NATS and without a state it is not ready, and says why', async (t) => {
    const { mesh, start, dir } = await onBus(t);
    await mesh.kill();
    await writeFile(join(dir, 'last-good.json'), '{"half of');
    const proxy = await start({ stateDir: dir });
    const { status, body } = await get(`${proxy.admin}/ready`);
    assert.equal(status, 503);
    assert.match(body, /PRE_INITIALIZING: no configuration yet from NATS at nats:.*cannot be reached/);
    await proxy.close();
    await assert.rejects(proxy.ready, /ended before it was ready/);
  });

  test('registers its workload by a lease, takes it back, and leaves when it drains', async (t) => {
    const { start, commit, leases, upstream } = await onBus(t);
    await commit(reverseProxy(upstream));
    const node = sidecar('reviews', 9080);
    const proxy = await start({ node, listeners: { inbound: { address: '127.0.0.1', port: 0 } }, register: false });
    await proxy.ready;
    const own = (): Lease | undefined => leases().get(node.id);
    await until('a lease without services', () => own() !== undefined);
    assert.deepEqual(own()!.endpoints, []);
    assert.equal(own()!.admin, proxy.admin);
    await proxy.register();
    await until('an endpoint', () => own()!.endpoints.length === 1);
    const [endpoint] = own()!.endpoints as WorkloadEndpoint[];
    assert.deepEqual(
      [endpoint.address, endpoint.port, endpoint.appPort, endpoint.services, endpoint.labels],
      ['127.0.0.1', portOf(proxy, 'inbound'), 9080, ['reviews'], { app: 'reviews' }],
    );
    assert.equal((await get(`${proxy.admin}/healthcheck/fail`, { method: 'POST' })).status, 200);
    await until('no endpoint', () => own()!.endpoints.length === 0);
    assert.equal((await get(`${proxy.admin}/healthcheck/ok`, { method: 'POST' })).status, 200);
    await until('an endpoint again', () => own()!.endpoints.length === 1);
    await proxy.drain();
    await until('no lease', () => own() === undefined);
  });

  test('registers a gateway by what its Gateways open, and again when that changes', async (t) => {
    const { start, commit, leases, upstream } = await onBus(t);
    const proxy = await start({ node: GATEWAY, gatewayPorts: { 8080: 0, 8081: 0 } });
    const reached = (): unknown =>
      (leases().get(GATEWAY.id)?.endpoints as WorkloadEndpoint[] | undefined)?.map(({ appPort, labels }) => [
        appPort,
        labels,
      ]);
    await commit(reverseProxy(upstream));
    await until('an endpoint', () => JSON.stringify(reached()) === JSON.stringify([[8080, GATEWAY.labels]]));
    await commit(reverseProxy(upstream, 8081));
    await until('another one', () => JSON.stringify(reached()) === JSON.stringify([[8081, GATEWAY.labels]]));
    await proxy.unregister();
    await until('none', () => JSON.stringify(reached()) === '[]');
  });

  test('reaches an endpoint that another proxy registered, through both sidecars', async (t) => {
    const { start, commit } = await onBus(t);
    const app = await listen(createServer((request, response) => response.end(`app got ${request.url}`)));
    t.after(() => app.close());
    const { port } = app.address() as AddressInfo;
    await commit(`
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec:
  selector: {app: reviews}
  ports: [{name: http, port: 9080, targetPort: ${port}}]
`);
    const server = await start({
      node: sidecar('reviews', port),
      listeners: { inbound: { address: '127.0.0.1', port: 0 } },
    });
    const client = await start({
      node: sidecar('productpage', 1),
      listeners: { outbound: { address: '127.0.0.1', port: 0 } },
    });
    await Promise.all([server.ready, client.ready]);
    const ask = () => get(`${client.outbound}/a`, { headers: { host: 'reviews:9080' } });
    await until('the endpoint is known', async () => (await ask()).status === 200);
    assert.deepEqual(await ask(), { status: 200, body: 'app got /a' });
    // Both have certificates, and the lease says so.
    const figures = await (await fetch(`${server.admin}/stats/prometheus`)).text();
    assert.match(figures, /istio_requests_total\{[^}]*connection_security_policy="mutual_tls"/);
    assert.doesNotMatch(figures, /connection_security_policy="none"/);
    // Where none is taken, none is spoken: what runs decides what the lease says.
    await commit(`
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: DISABLE}}
`);
    await until('plain text is spoken', async () => {
      await ask();
      const now = await (await fetch(`${server.admin}/stats/prometheus`)).text();
      return /istio_requests_total\{[^}]*response_code="200"[^}]*connection_security_policy="none"/.test(now);
    });
    assert.equal((await ask()).status, 200);
    // Gone from discovery, gone from the client's cluster.
    await server.drain();
    await until('the endpoint is gone', async () => (await ask()).body === 'no healthy upstream');
  });
});

suite('the code of plugins', () => {
  const module = denying();
  const resource = decodeYaml(
    `apiVersion: weft.dev/v1\nkind: Plugin\nmetadata: {name: deny}\nspec: {digest: "${digestOf(module)}"}`,
  ).resources[0];

  test('comes over the bus by its digest, and from the disk when the bus is away', async (t) => {
    const { mesh, control, start, commit, commitRaw, statuses, upstream, dir } = await onBus(t);
    await commit(reverseProxy(upstream));
    const stateDir = join(dir, 'state');
    const first = await start({ stateDir, shards: 2 });
    await first.ready;
    const url = `http://127.0.0.1:${portOf(first)}/`;
    assert.equal((await get(url)).status, 200);
    // Not there: refused, and what ran runs on, until it comes.
    const early = await commitRaw([[resourceKey(resource), resource]]);
    await until('the nack', () => statuses.some(({ revision, ok }) => revision === early && !ok));
    assert.match(
      JSON.stringify(statuses.find(({ revision }) => revision === early)),
      /deny: the module .* is not there/,
    );
    assert.equal((await get(url)).status, 200);
    await control.objects.put(module);
    await until('the plugin runs', async () => (await get(url)).status === 403);
    await until('the ack', () => statuses.some(({ revision, ok }) => revision === early && ok));
    await until('the state is kept', async () => {
      const kept = await readFile(join(stateDir, 'last-good.json'), 'utf8').catch(() => '');
      return kept.includes('deny');
    });
    await first.close();
    await mesh.kill();
    const second = await start({ stateDir });
    await second.ready;
    assert.equal((await get(`http://127.0.0.1:${portOf(second)}/`)).status, 403);
    assert.equal((await get(`${second.admin}/ready`)).body, 'LIVE\n');
  });
});
