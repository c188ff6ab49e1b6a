import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { freePort } from '../../../bench/ports.ts';
import { Cluster, type ClusterPolicy, type ClusterSpec, DEFAULT_POLICY } from '../../../core/cluster/cluster.ts';
import { Endpoint } from '../../../core/cluster/endpoint.ts';
import type { PoolEnvironment } from '../../../core/cluster/pool.ts';
import { AsyncClient } from '../../../core/exchange/async-client.ts';
import { Head } from '../../../core/http/head.ts';
import { CLIENT_OPTIONS } from '../../../core/http/limits.ts';
import { http1 } from '../../../core/http1/codec.ts';
import { Timers } from '../../../core/timers.ts';
import { Dialer } from '../../../core/transport/dial.ts';
import { Peers } from '../../../core/transport/peers.ts';
import { CertifiedSockets } from '../../../core/transport/tls/certified-sockets.ts';
import { OutboundTls } from '../../../core/transport/tls/outbound.ts';
import type { UpstreamFailure, UpstreamRequest, UpstreamResponse } from '../../../core/wasm/abi/upstreams.ts';
import { startApp, startTcp } from '../../path/data-plane.ts';

const timers = new Timers();
after(() => timers.stop());

const POOL: PoolEnvironment = {
  timers,
  expectedStreams: () => http1.expectedStreams,
  dial: ({ address, port }, opened, failed) =>
    new Dialer('', new Peers(), new OutboundTls(new CertifiedSockets())).dial(
      address,
      port,
      (transport) => opened(http1.connect(transport, CLIENT_OPTIONS)),
      failed,
    ),
};
/** Calls to a cluster of one endpoint. */
function callsTo(port: number, policy: Partial<ClusterPolicy> = {}) {
  const spec: ClusterSpec = {
    name: 'outbound|80||authz',
    kind: 'outbound',
    service: 'authz',
    port: 80,
    subset: '',
    labels: {},
    policy: { ...DEFAULT_POLICY, ...policy },
    dns: [],
    tls: null,
    rule: '',
  };
  const cluster = new Cluster(spec, Math.random);
  const endpoint = new Endpoint(POOL, '127.0.0.1', port);
  cluster.setEndpoints(port === 0 ? [] : [endpoint]);
  const calls = new AsyncClient(timers, (name) => (name === 'authz' ? cluster : null));
  const send = (changes: Partial<UpstreamRequest> = {}, method = 'GET') => {
    const head = Head.request(method, 'authz', '/check', [['x-a', '1']]);
    const { promise, resolve } = Promise.withResolvers<UpstreamResponse | UpstreamFailure>();
    const body = changes.body ?? new Uint8Array(0);
    head.contentLength = changes.trailers ? -1 : body.length;
    const giveUp = calls
      .find('authz')!
      .call({ plugin: 'test', head, body, trailers: null, timeoutMs: 5000, http2: false, ...changes }, resolve);
    return { outcome: promise, giveUp };
  };
  return { calls, cluster, endpoint, send, close: () => endpoint.pool.destroy() };
}

function failureOf(outcome: UpstreamResponse | UpstreamFailure): string {
  assert.ok('failure' in outcome);
  return outcome.failure;
}

describe('a request of a filter', () => {
  test('carries head, body and trailers, and brings back status, fields and the whole body', async () => {
    const app = await startApp((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        response.writeHead(418, { 'x-b': '2', trailer: 'x-end' });
        response.write(`${request.method} ${request.url} ${request.headers.host} ${request.headers['x-a']} `);
        response.addTrailers({ 'x-end': String(request.trailers['x-sum'] ?? '') });
        response.end(body);
      });
    });
    const { send, close, endpoint, cluster, calls } = callsTo(app.port);
    assert.equal(calls.find('other'), null);
    const trailers = Head.response(0, [['x-sum', '7']]);
    const outcome = await send({ body: Buffer.from('may i?'), trailers }, 'POST').outcome;
    assert.ok('head' in outcome);
    assert.equal(outcome.head.status, 418);
    assert.equal(outcome.body.toString(), 'POST /check authz 1 may i?');
    assert.deepEqual([outcome.trailers?.nameAt(0), outcome.trailers?.valueAt(0)], ['x-end', '7']);
    assert.deepEqual([endpoint.active, cluster.counts.active, endpoint.requests], [0, 0, 1]);
    close();
    await app.close();
  });

  test('brings back a body of many large pieces as it was', async () => {
    const sent = Buffer.alloc(500_000, 'piece by piece ');
    const app = await startApp((_request, response) => void response.end(sent));
    const { send, close } = callsTo(app.port);
    const outcome = await send().outcome;
    assert.ok('head' in outcome && outcome.body.equals(sent));
    close();
    await app.close();
  });

  test('uses the pool’s connection again', async () => {
    const ports = new Set<number>();
    const app = await startApp((request, response) => {
      ports.add(request.socket.remotePort!);
      response.end('ok');
    });
    const { send, close } = callsTo(app.port);
    for (let i = 0; i < 3; i++) assert.ok('head' in (await send().outcome));
    assert.equal(ports.size, 1);
    close();
    await app.close();
  });

  test('that nobody answers fails with the reason: no endpoint, refused, cut off, overflow', async () => {
    assert.equal(failureOf(await callsTo(0).send().outcome), 'no_healthy_upstream');
    const refused = callsTo(await freePort());
    assert.match(failureOf(await refused.send().outcome), /ECONNREFUSED/);
    const cutting = await startTcp((socket) => socket.once('data', () => socket.destroy()));
    const cut = callsTo(cutting.port);
    assert.match(failureOf(await cut.send().outcome), /connection_termination/);
    const full = callsTo(cutting.port, { maxPendingRequests: 0 });
    assert.match(failureOf(await full.send().outcome), /overflow/);
    assert.equal(cut.endpoint.active + full.endpoint.active + refused.endpoint.active, 0);
    cutting.close();
  });

  test('that takes longer than the guest allows fails, and its connection is not used again', async () => {
    const closed = Promise.withResolvers<void>();
    const silent = await startTcp((socket) => socket.on('data', () => {}).on('close', () => closed.resolve()));
    const { send, endpoint } = callsTo(silent.port);
    assert.equal(failureOf(await send({ timeoutMs: 30 }).outcome), 'response_timeout');
    await closed.promise;
    assert.equal(endpoint.active, 0);
    silent.close();
  });

  test('whose answer is larger than a guest may be given fails', async () => {
    const app = await startApp((_request, response) => response.end(Buffer.alloc(5 << 20)));
    const { send, close } = callsTo(app.port);
    assert.match(failureOf(await send().outcome), /more than 4194304 bytes/);
    close();
    await app.close();
  });

  test('is sent once more when the upstream closed the kept connection meanwhile, unless that may do harm', async () => {
    const sockets: Socket[] = [];
    let requests = 0;
    const closing = await startTcp((socket) => {
      sockets.push(socket);
      let answered = false;
      socket.on('data', () => {
        requests++;
        // The second request on a connection meets an upstream that is just closing it.
        if (answered) socket.destroy();
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
        answered = true;
      });
    });
    const { send, close } = callsTo(closing.port);
    assert.ok('head' in (await send().outcome));
    assert.ok('head' in (await send().outcome), 'the second one reached another connection');
    assert.deepEqual([sockets.length, requests], [2, 3]);
    assert.match(failureOf(await send({}, 'POST').outcome), /connection_termination/);
    assert.equal(requests, 4);
    close();
    closing.close();
  });

  test('that is given up is not sent, or ended where it is, and nobody hears of it', async () => {
    let requests = 0;
    const silent = await startTcp((socket) => {
      socket.once('data', () => {
        requests++;
        reached.resolve(socket);
      });
    });
    const reached = Promise.withResolvers<Socket>();
    const { send, endpoint } = callsTo(silent.port);
    let heard = 0;
    const early = send();
    void early.outcome.then(() => heard++);
    early.giveUp();
    const late = send();
    void late.outcome.then(() => heard++);
    const socket = await reached.promise;
    late.giveUp();
    await once(socket, 'close');
    assert.deepEqual([requests, heard, endpoint.active], [1, 0, 0]);
    silent.close();
  });
});
