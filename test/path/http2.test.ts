// HTTP/2 through a proxy, with Node's own client and server at its sides: the same chain as for HTTP/1, in all four combinations.
import assert from 'node:assert/strict';
import { createServer as createHttp1Server } from 'node:http';
import { type ClientHttp2Session, connect, constants } from 'node:http2';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { after, suite, type TestContext, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import * as f from '../../core/http2/frames.ts';
import { frame, headers } from '../core/http2/raw.ts';
import { until } from '../until.ts';
import { call, type RunningDataPlane, startApp, startDataPlane } from './data-plane.ts';
import { ask, type Http2App, startHttp2App } from './http2-app.ts';

const CHAIN = `
apiVersion: weft.dev/v1
kind: FilterChain
metadata: {name: team}
spec:
  direction: outbound
  insert: [{filter: headers, before: fault, config: {request: {set: {x-team: blue}}, response: {remove: [x-secret]}}}]
`;

function service(host: string, port: number, protocol: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${host.replaceAll('.', '-')}}
spec:
  hosts: [${host}]
  resolution: STATIC
  ports: [{number: 80, name: p, protocol: ${protocol}, targetPort: ${port}}]
  endpoints: [{address: 127.0.0.1}]
`;
}

function pooled(host: string, http: string): string {
  return `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${host.replaceAll('.', '-')}}
spec: {host: ${host}, trafficPolicy: {connectionPool: {http: {${http}}}}}
`;
}

suite('between clients and servers of HTTP/1 and HTTP/2', async () => {
  const app = await startHttp2App();
  const old = createHttp1Server((request, response) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    request.on('end', () => {
      response.setHeader('x-secret', '1');
      response.end(JSON.stringify({ version: request.httpVersion, url: request.url, bytes, headers: request.headers }));
    });
  });
  await new Promise<void>((resolve) => old.listen(0, '127.0.0.1', resolve));
  const plane = await startDataPlane({
    yaml: [
      service('new.example', app.port, 'HTTP2'),
      service('old.example', (old.address() as AddressInfo).port, 'HTTP'),
      CHAIN,
    ],
  });
  const client = connect(`http://127.0.0.1:${plane.ports.outbound}`);
  after(async () => {
    client.close();
    plane.close();
    old.closeAllConnections();
    old.close();
    await app.close();
  });

  for (const [host, version] of [
    ['new.example', '2.0'],
    ['old.example', '1.1'],
  ] as const) {
    test(`a client of HTTP/2 reaches ${host} through the filters, with a body and in crumbs of cookies`, async () => {
      const { status, headers, body } = await ask(
        client,
        { ':method': 'POST', ':path': '/a?b=c', ':authority': host, cookie: ['a=1', 'b=2'], 'x-one': '1' } as never,
        Buffer.alloc(300_000, 'x'),
      );
      assert.equal(status, 200);
      assert.equal(headers['x-secret'], undefined);
      const seen = JSON.parse(body);
      assert.deepEqual([seen.version, seen.url, seen.bytes], [version, '/a?b=c', 300_000]);
      assert.equal(seen.headers[version === '2.0' ? ':authority' : 'host'], host);
      assert.deepEqual([seen.headers['x-team'], seen.headers['x-one']], ['blue', '1']);
      assert.equal(seen.headers.cookie, 'a=1; b=2');
    });

    test(`a client of HTTP/1 reaches ${host}`, async () => {
      const options = { port: plane.ports.outbound, method: 'POST', path: '/x', headers: { host, 'x-one': '1' } };
      const { status, body } = await call(options, 'hello');
      const seen = JSON.parse(body);
      assert.deepEqual([status, seen.version, seen.url, seen.bytes], [200, version, '/x', 5]);
      assert.equal(seen.headers['x-team'], 'blue');
    });
  }

  test('requests beside each other go over one connection to the server', async () => {
    const before = app.sessions;
    const paths = Array.from({ length: 30 }, (_, i) => `/${i}`);
    const answers = await Promise.all(paths.map((path) => ask(client, { ':path': path, ':authority': 'new.example' })));
    assert.deepEqual(
      answers.map(({ body }) => JSON.parse(body).url),
      paths,
    );
    assert.ok(app.sessions - before <= 1);
  });

  test('a HEAD has no body, and says how long it would be', async () => {
    const { status, headers, body } = await ask(client, {
      ':method': 'HEAD',
      ':path': '/h',
      ':authority': 'new.example',
    });
    assert.deepEqual([status, body, headers['content-length']], [200, '', '7']);
  });

  test('what no route takes is answered by the proxy itself, and gRPC in its own form', async () => {
    const plain = await ask(client, { ':path': '/', ':authority': '127.0.0.1:1' });
    assert.equal(plain.status, 503);
    const grpc = await ask(
      client,
      {
        ':method': 'POST',
        ':path': '/a.B/C',
        ':authority': '127.0.0.1:1',
        'content-type': 'application/grpc',
        te: 'trailers',
      },
      Buffer.alloc(5),
    );
    assert.deepEqual([grpc.status, grpc.headers['grpc-status'], grpc.body], [200, '14', '']);
  });
});

suite('gRPC through a proxy', async () => {
  const app = await startHttp2App();
  const plane = await startDataPlane({ yaml: [service('grpc.example', app.port, 'GRPC')] });
  const client = connect(`http://127.0.0.1:${plane.ports.outbound}`);
  after(async () => {
    client.close();
    plane.close();
    await app.close();
  });
  const rpc = (path: string): Record<string, string> => ({
    ':method': 'POST',
    ':path': path,
    ':authority': 'grpc.example',
    'content-type': 'application/grpc',
    te: 'trailers',
  });

  test('a unary call has its message and its trailers', async () => {
    const { status, body, trailers } = await ask(client, rpc('/echo'), Buffer.from('message'));
    assert.deepEqual([status, body, trailers['grpc-status']], [200, 'message', '0']);
  });

  test('an answer that is trailers only is one', async () => {
    const { status, headers, body } = await ask(client, rpc('/trailers-only'), Buffer.from('message'));
    assert.deepEqual([status, headers['grpc-status'], body], [200, '5', '']);
  });

  test('messages go back and forth on one stream while it is open', async () => {
    const stream = client.request(rpc('/echo'));
    const arrived: string[] = [];
    stream.setEncoding('latin1');
    for (const message of ['one', 'two', 'three']) {
      const back = new Promise<string>((resolve) => stream.once('data', resolve));
      stream.write(message);
      arrived.push(await back);
    }
    const trailers = new Promise<Record<string, unknown>>((resolve) => stream.once('trailers', resolve));
    stream.end();
    assert.deepEqual([arrived, (await trailers)['grpc-status']], [['one', 'two', 'three'], '0']);
  });

  test('a call that the client gives up is given up at the server', async () => {
    const stream = client.request(rpc('/silent'));
    const there = await app.arrived('/silent');
    const gone = new Promise<number>((resolve) => there.once('close', () => resolve(there.rstCode)));
    stream.close(constants.NGHTTP2_CANCEL);
    assert.equal(await gone, constants.NGHTTP2_CANCEL);
    await plane.ended(4);
    assert.equal(flagNames(plane.records.at(-1)!.flags), 'DC');
  });
});

test('a gateway and an inbound port take HTTP/2 on the port that takes HTTP/1', async (t) => {
  const app = await startHttp2App();
  const edge = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 8080, name: h2, protocol: HTTP2}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec: {hosts: ['*'], gateways: [edge], http: [{route: [{destination: {host: up.example}}]}]}
`;
  const gateway = await startDataPlane({ role: 'gateway', yaml: [service('up.example', app.port, 'HTTP2'), edge] });
  const inbound = await startDataPlane({ appPort: app.port });
  const clients: ClientHttp2Session[] = [];
  t.after(async () => {
    for (const client of clients) client.destroy();
    gateway.close();
    inbound.close();
    await app.close();
  });
  for (const port of [gateway.ports.gateway, inbound.ports.inbound]) {
    const client = connect(`http://127.0.0.1:${port}`);
    clients.push(client);
    const { status, body } = await ask(client, { ':path': '/in', ':authority': 'any.example' });
    assert.deepEqual([status, JSON.parse(body).url], [200, '/in']);
  }
  const old = await call({ port: gateway.ports.gateway, path: '/old' });
  assert.equal(JSON.parse(old.body).url, '/old');
});

test('a client that breaks the protocol is told why, and so is the log', async (t) => {
  const { plane } = await mesh(t, () => []);
  const socket = connectTcp(plane.ports.outbound, '127.0.0.1');
  t.after(() => socket.destroy());
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frames at all');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.resume();
  await closed;
  assert.match(
    plane.logs.join(),
    /debug listener outbound: the HTTP\/2 connection from 127\.0\.0\.1:\d+ ends with FRAME_SIZE_ERROR/,
  );
});

test('what a client does wrong on a stream is in the log, and its other streams go on', async (t) => {
  const { app, plane } = await mesh(t, (port) => [service('up.example', port, 'HTTP2')]);
  const socket = connectTcp(plane.ports.outbound, '127.0.0.1');
  t.after(() => socket.destroy());
  const asks = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', '/silent'],
    [':authority', 'up.example'],
  ] as const;
  const update = frame(f.WINDOW_UPDATE, 0, 1, Buffer.alloc(4));
  socket.resume();
  socket.write(
    Buffer.concat([f.PREFACE, frame(f.SETTINGS, 0, 0), headers(1, asks, false), headers(3, asks, false), update]),
  );
  await until('it is told', () =>
    /debug listener outbound: stream 1 of the HTTP\/2 connection from 127\.0\.0\.1:\d+ is reset with PROTOCOL_ERROR/.test(
      plane.logs.join(),
    ),
  );
  const other = await app.arrived('/silent');
  assert.ok(!other.destroyed);
});

test('a client is told to go when its proxy drains, and has its answer before', async (t) => {
  const { app, client, plane } = await mesh(t, (port) => [service('up.example', port, 'HTTP2')]);
  const answer = ask(client, { ':method': 'POST', ':path': '/echo', ':authority': 'up.example' }, Buffer.from('last'));
  await app.arrived('/echo');
  const told = new Promise<void>((resolve) => client.once('goaway', () => resolve()));
  const drained = plane.plane.drain();
  assert.equal((await answer).body, 'last');
  await told;
  await drained;
});

test('a port that says nothing, and a rule with useClientProtocol, are spoken to as the client speaks', async (t) => {
  const { app, client, plane } = await mesh(t, (port) => [
    service('any.example', port, '""'),
    service('same.example', port, 'HTTP'),
    pooled('same.example', 'useClientProtocol: true'),
  ]);
  for (const host of ['any.example', 'same.example']) {
    const { body } = await ask(client, { ':path': '/', ':authority': host });
    assert.equal(JSON.parse(body).version, '2.0');
    // Node's plain server of HTTP/2 understands no HTTP/1.
    const { status } = await call({ port: plane.ports.outbound, headers: { host } });
    assert.equal(status, 502);
  }
  assert.ok(app.sessions > 0);
});

test('an application that is declared as HTTP is asked in HTTP/1.1, whatever its client speaks', async (t) => {
  const app = await startApp((request, response) => response.end(request.httpVersion));
  const byName = `
apiVersion: v1
kind: Service
metadata: {name: named}
spec: {ports: [{name: http, port: 80, targetPort: ${app.port}}]}
`;
  const planes = await Promise.all([
    startDataPlane({ appPort: app.port, appProtocol: 'http' }),
    startDataPlane({ appPort: app.port, services: ['named'], yaml: [byName] }),
  ]);
  const clients = planes.map(({ ports }) => connect(`http://127.0.0.1:${ports.inbound}`));
  t.after(async () => {
    for (const client of clients) client.destroy();
    for (const plane of planes) plane.close();
    await app.close();
  });
  for (const client of clients) {
    const { status, body } = await ask(client, { ':path': '/', ':authority': 'named' });
    assert.deepEqual([status, body], [200, '1.1']);
  }
});

test('a rule with h2UpgradePolicy UPGRADE speaks HTTP/2 to who is declared as HTTP', async (t) => {
  const { plane } = await mesh(t, (port) => [
    service('up.example', port, 'HTTP'),
    pooled('up.example', 'h2UpgradePolicy: UPGRADE'),
  ]);
  const { body } = await call({ port: plane.ports.outbound, path: '/up', headers: { host: 'up.example' } });
  assert.equal(JSON.parse(body).version, '2.0');
});

test('http2MaxRequests refuses what is above it with 503 and UO, over HTTP/2 and HTTP/1', async (t) => {
  const { app, client, plane } = await mesh(t, (port) => [
    service('up.example', port, 'HTTP2'),
    pooled('up.example', 'http2MaxRequests: 1'),
  ]);
  const held = client.request({ ':path': '/silent', ':authority': 'up.example' });
  await app.arrived('/silent');
  const refused = await ask(client, { ':path': '/', ':authority': 'up.example' });
  const alike = await call({ port: plane.ports.outbound, headers: { host: 'up.example' } });
  assert.deepEqual([refused.status, alike.status], [503, 503]);
  assert.deepEqual(
    plane.records.map(({ flags }) => flagNames(flags)),
    ['UO', 'UO'],
  );
  held.close();
  await plane.ended(3);
  assert.equal((await ask(client, { ':path': '/', ':authority': 'up.example' })).status, 200);
});

test('maxConcurrentStreams opens further connections for what is above it', async (t) => {
  const { app, client } = await mesh(t, (port) => [
    service('up.example', port, 'HTTP2'),
    pooled('up.example', 'maxConcurrentStreams: 2'),
  ]);
  for (let i = 0; i < 6; i++) {
    client.request({ ':path': '/silent', ':authority': 'up.example' }).on('error', () => undefined);
    await app.arrived('/silent');
  }
  assert.equal(app.sessions, 3);
});

test('a stream that the server refuses is sent again, whatever its method', async (t) => {
  const { app, client, plane } = await mesh(t, (port) => [service('up.example', port, 'HTTP2')]);
  app.refuse(1);
  const { status, body } = await ask(
    client,
    { ':method': 'POST', ':path': '/again', ':authority': 'up.example' },
    Buffer.from('abc'),
  );
  assert.deepEqual([status, JSON.parse(body).bytes], [200, 3]);
  assert.equal(plane.records[0].attempts, 2);
});

interface Mesh {
  readonly app: Http2App;
  readonly plane: RunningDataPlane;
  readonly client: ClientHttp2Session;
}

async function mesh(t: TestContext, yaml: (port: number) => string[]): Promise<Mesh> {
  const app = await startHttp2App();
  const plane = await startDataPlane({ yaml: yaml(app.port) });
  const client = connect(`http://127.0.0.1:${plane.ports.outbound}`);
  t.after(async () => {
    client.destroy();
    plane.close();
    await app.close();
  });
  return { app, plane, client };
}
