// Requests of HTTP/1.1 between two sidecars with certificates: many over one connection, and to both applications as if each had its own.
import assert from 'node:assert/strict';
import { Agent, request } from 'node:http';
import { connect as connectTcp } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { until } from '../until.ts';
import { call, exchangeBytes, type RunningDataPlane, startApp, startDataPlane } from './data-plane.ts';
import { type TestAuthority, testAuthority } from './identities.ts';
import { workload } from './mtls-rules.ts';

const CALLER = '127.43.3.1';
const SERVER = '127.43.3.2';

let authority: TestAuthority;
let caller: RunningDataPlane;
let server: RunningDataPlane;
const protocols: string[] = [];
const closers: (() => unknown)[] = [];
/** Requests that are with the application and wait for this many to be there. */
let gathered: (() => void)[] = [];
let wanted = 1;
let left = 0;

const app = await startApp((incoming, response) => {
  incoming.on('close', () => {
    if (!incoming.complete || !response.writableEnded) left++;
  });
  switch (incoming.url) {
    case '/together':
      gathered.push(() => response.end(incoming.headers['x-n']));
      if (gathered.length >= wanted) for (const answer of gathered.splice(0)) answer();
      return;
    case '/endless': {
      const more = (): void => {
        while (response.write(Buffer.alloc(65536)));
      };
      response.on('drain', more);
      more();
      return;
    }
    case '/all':
      response.writeEarlyHints({ link: '</a.css>; rel=preload' });
      response.writeHead(200, { 'X-Case': 'Kept', Trailer: 'x-sum' });
      response.addTrailers({ 'x-sum': '1' });
      incoming.pipe(response);
      return;
    default:
      response.end(`${incoming.httpVersion} ${incoming.headers['x-n'] ?? ''}`);
  }
});

before(async () => {
  authority = await testAuthority();
  server = await startDataPlane({
    ...{ address: SERVER, labels: { app: 'details' }, serviceAccount: 'bookinfo-details', appPort: app.port },
    sink: { exchangeEnded: (record) => protocols.push(record.protocol) },
  });
  caller = await startDataPlane({
    ...{ address: CALLER, labels: { app: 'productpage' }, serviceAccount: 'bookinfo-productpage' },
  });
  server.plane.setIdentity(await authority.identity('bookinfo-details'));
  caller.plane.setIdentity(await authority.identity('bookinfo-productpage'));
  closers.push(app.close, authority.close, server.close, caller.close);
});

after(async () => {
  for (const close of closers) await close();
});

beforeEach(() => {
  gathered = [];
  caller.unconfigure();
  // Connections of the test before are given up.
  for (const { told } of [server, caller]) told([]);
  for (const { told } of [server, caller]) {
    told([workload('productpage', CALLER, 0, []), workload('details', SERVER, server.ports.inbound, ['details'])]);
  }
});

const handshakes = (): number => {
  const listeners = server.plane.dump('listeners') as { kind: string; handshakes: number }[];
  return listeners.find(({ kind }) => kind === 'inbound')!.handshakes;
};

/** So many at once, each answered when all are there. */
async function together(count: number): Promise<number> {
  wanted = count;
  const from = handshakes();
  const answers = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      call({
        ...{ host: CALLER, port: caller.ports.outbound, path: '/together' },
        headers: { host: 'details', 'x-n': String(n) },
      }),
    ),
  );
  assert.deepEqual(
    answers.map(({ status, body }) => `${status} ${body}`),
    answers.map((_, n) => `200 ${n}`),
  );
  return handshakes() - from;
}

const rule = (pool: string) => `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: details }
spec: { host: details, trafficPolicy: { connectionPool: ${pool} } }`;

test('requests beside each other share a connection, and are HTTP/1.1 to both applications and in the log', async () => {
  protocols.length = 0;
  assert.equal(await together(8), 1);
  assert.deepEqual(new Set(protocols), new Set(['HTTP/1.1']));
  const { body } = await call({
    ...{ host: CALLER, port: caller.ports.outbound, path: '/' },
    headers: { host: 'details', 'x-n': '7' },
  });
  assert.equal(body, '1.1 7');
});

test('more requests than one connection carries are further connections', async () => {
  assert.equal(await together(20), 3);
});

test('a rule that counts connections, or says DO_NOT_UPGRADE, means connections of HTTP/1.1', async () => {
  caller.apply(rule('{ http: { h2UpgradePolicy: DO_NOT_UPGRADE } }'));
  assert.equal(await together(6), 6);
  caller.apply(rule('{ tcp: { maxConnections: 40 } }'));
  // Those of before are used first.
  assert.equal(await together(9), 3);
});

test('MeshConfig says DO_NOT_UPGRADE for all services whose rules say nothing else', async () => {
  caller.apply(`
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: default }
spec: { h2UpgradePolicy: DO_NOT_UPGRADE }`);
  assert.equal(await together(6), 6);
  caller.apply(rule('{ http: { h2UpgradePolicy: DEFAULT } }'));
  // Those of before are used first.
  assert.equal(await together(7), 1);
});

test('an interim answer, trailers and a body of unknown length arrive as they would alone', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  let hints = '';
  const sent = request(
    {
      ...{ host: CALLER, port: caller.ports.outbound, path: '/all', method: 'POST', agent: false },
      headers: { host: 'details', te: 'trailers', expect: '100-continue' },
    },
    (response) => {
      let body = '';
      response.on('data', (chunk) => {
        body += chunk;
      });
      response.on('end', () => resolve(`${response.headers['x-case']} ${body} ${response.trailers['x-sum']}`));
    },
  );
  sent.on('information', ({ statusCode, headers }) => {
    if (statusCode === 103) hints = String(headers.link);
  });
  sent.on('continue', () => {
    sent.write('a');
    sent.end('b');
  });
  sent.flushHeaders();
  assert.equal(await promise, 'Kept ab 1');
  assert.equal(hints, '</a.css>; rel=preload');
});

test('who does not read keeps nobody waiting, and who leaves is gone for the application too', async () => {
  const from = handshakes();
  const before = left;
  const slow = Array.from({ length: 7 }, () => {
    const socket = connectTcp({ host: CALLER, port: caller.ports.outbound });
    socket.on('error', () => undefined);
    socket.pause();
    socket.write('GET /endless HTTP/1.1\r\nHost: details\r\n\r\n');
    return socket;
  });
  const active = (): number =>
    (caller.plane.dump('clusters') as { service: string; active: number }[])
      .filter(({ service }) => service.startsWith('details'))
      .reduce((sum, row) => sum + row.active, 0);
  await until('all are with the server', () => active() === 7);
  for (let n = 0; n < 20; n++) {
    const answer = await call({
      ...{ host: CALLER, port: caller.ports.outbound, path: '/' },
      headers: { host: 'details', 'x-n': String(n) },
    });
    assert.equal(answer.body, `1.1 ${n}`);
  }
  assert.equal(handshakes() - from, 1);
  for (const socket of slow) socket.destroy();
  await until('the application is left', () => left - before >= 7);
});

test('a sidecar that does not know of it is spoken to on connections of HTTP/1.1', async () => {
  const { key, chain, roots } = await authority.identity('bookinfo-old');
  const chosen: (string | false | null)[] = [];
  let waiting: (() => void)[] = [];
  const old = createTlsServer(
    { key, cert: chain, ca: roots, requestCert: true, ALPNProtocols: ['istio-http/1.1'] },
    (socket) => {
      chosen.push(socket.alpnProtocol);
      socket.on('error', () => undefined);
      socket.on('data', () => {
        waiting.push(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nold'));
        if (waiting.length === 5) for (const answer of waiting.splice(0)) answer();
      });
    },
  );
  await new Promise<void>((resolve) => old.listen(0, SERVER, resolve));
  const { port } = old.address() as { port: number };
  caller.told([workload('productpage', CALLER, 0, []), workload('old', SERVER, port, ['old'])]);
  const agent = new Agent({ keepAlive: true });
  try {
    for (let round = 0; round < 2; round++) {
      waiting = [];
      const answers = await Promise.all(
        Array.from({ length: 5 }, () =>
          call({ host: CALLER, port: caller.ports.outbound, path: '/', agent, headers: { host: 'old' } }),
        ),
      );
      assert.deepEqual(
        answers.map(({ status, body }) => `${status} ${body}`),
        Array(5).fill('200 old'),
      );
    }
    assert.deepEqual(chosen, Array(5).fill('istio-http/1.1'));
  } finally {
    agent.destroy();
    caller.told([]);
    old.close();
  }
});

test('a request that would end a connection of HTTP/1.1 ends only itself', async () => {
  const from = handshakes();
  const wire = 'GET / HTTP/1.1\r\nHost: details\r\nConnection: close\r\n\r\n';
  for (let n = 0; n < 3; n++) {
    assert.match(await exchangeBytes(caller.ports.outbound, wire, undefined, CALLER), /^HTTP\/1\.1 200 /);
  }
  assert.equal(handshakes() - from, 1);
});
