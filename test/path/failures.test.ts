import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { freePort } from '../../bench/ports.ts';
import { flagNames } from '../../core/errors.ts';
import {
  call,
  exchangeBytes,
  type RunningDataPlane,
  serviceEntry,
  startApp,
  startDataPlane,
  startTcp,
} from './data-plane.ts';

let mesh: RunningDataPlane;
const closers: (() => unknown)[] = [];

before(async () => {
  mesh = await startDataPlane({ role: 'gateway' });
  closers.push(mesh.close);
});

after(async () => {
  for (const close of closers) await close();
});

/** Points the gateway at these ports, with an optional time-out and retries. */
function route(ports: readonly number[], http: Record<string, unknown> = {}): void {
  mesh.apply(
    serviceEntry('up.example', ...ports),
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'Gateway',
      metadata: { name: 'edge' },
      spec: {
        selector: { istio: 'ingressgateway' },
        servers: [{ port: { number: 8080, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
      },
    }),
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'edge' },
      spec: {
        hosts: ['*'],
        gateways: ['edge'],
        http: [{ route: [{ destination: { host: 'up.example' } }], ...http }],
      },
    }),
  );
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly flags: string;
  readonly details: string;
  readonly attempts: number;
}

async function ask(method = 'GET', body = ''): Promise<Answer> {
  const before = mesh.records.length;
  const answer = await call({ port: mesh.ports.gateway, method, path: '/x' }, body);
  await mesh.ended(before + 1);
  const { flags, details, attempts } = mesh.records[before];
  return { ...answer, flags: flagNames(flags), details, attempts };
}

async function upstream(reply: string | null, close = true): Promise<number> {
  const server = await startTcp((socket) => {
    socket.once('data', () => {
      if (reply === null) socket.resetAndDestroy();
      else if (close) socket.end(reply);
      else socket.write(reply);
    });
  });
  closers.push(server.close);
  return server.port;
}

test('an upstream that refuses the connection is 503 UF, tried again where nothing was sent', async () => {
  route([await freePort()]);
  const answer = await ask();
  assert.deepEqual([answer.status, answer.flags, answer.attempts], [503, 'UF,URX', 3]);
  assert.equal(answer.details, 'upstream_reset_before_response_started{remote_connection_failure}');
});

test('a refused connection is tried again at another endpoint, also for a POST, whose body is sent once', async () => {
  const bodies: string[] = [];
  const app = await startApp((incoming, response) => {
    let text = '';
    incoming.on('data', (chunk) => (text += chunk));
    incoming.on('end', () => {
      bodies.push(text);
      response.end('ok');
    });
  });
  closers.push(app.close);
  route([await freePort(), app.port]);
  for (let i = 0; i < 6; i++) assert.equal((await ask('POST', `body ${i}`)).status, 200);
  assert.deepEqual(
    bodies,
    [0, 1, 2, 3, 4, 5].map((i) => `body ${i}`),
  );
});

test('retries that are switched off do not happen', async () => {
  route([await freePort()], { retries: { attempts: 0 } });
  const answer = await ask();
  assert.deepEqual([answer.status, answer.flags, answer.attempts], [503, 'UF', 1]);
});

test('an upstream that resets before it answers is 503 UC, and the request is not repeated', async () => {
  route([await upstream(null)]);
  const answer = await ask('GET');
  assert.deepEqual([answer.status, answer.flags, answer.attempts], [503, 'UC', 1]);
  assert.match(answer.body, /reset reason: connection termination/);
});

test('an upstream that talks nonsense is 502 UPE', async () => {
  route([await upstream('NONSENSE\r\n\r\n')]);
  assert.deepEqual(await ask().then(({ status, flags }) => [status, flags]), [502, 'UPE']);
});

test('an upstream that hangs meets the time-out of the route: 504 UT', async () => {
  const server = await startTcp((socket) => socket.resume());
  closers.push(server.close);
  route([server.port], { timeout: '0.1s' });
  const answer = await ask();
  assert.deepEqual([answer.status, answer.flags, answer.body], [504, 'UT', 'upstream request timeout']);
  assert.equal(answer.details, 'response_timeout');
  // Whom to look at is the first question after a time-out.
  assert.equal(mesh.records.at(-1)?.upstream, `127.0.0.1:${server.port}`);
});

test('an answer that breaks off is cut off for the client too', async () => {
  route([await upstream('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')]);
  const before = mesh.records.length;
  await assert.rejects(ask());
  await mesh.ended(before + 1);
  const record = mesh.records[before];
  assert.deepEqual([record.code, flagNames(record.flags)], [200, 'UC']);
  assert.match(record.details, /upstream_reset_after_response_started/);
});

test('a service without endpoints is 503 UH', async () => {
  route([1]);
  mesh.apply(serviceEntry('up.example'));
  const answer = await ask();
  assert.deepEqual([answer.status, answer.flags, answer.body], [503, 'UH', 'no healthy upstream']);
});

test('a client that goes away frees its upstream and is logged with DC', async () => {
  let closed: (() => void) | null = null;
  const gone = new Promise<void>((resolve) => (closed = resolve));
  const server = await startTcp((socket) => {
    socket.resume();
    socket.on('close', () => closed!());
  });
  closers.push(server.close);
  route([server.port]);
  const before = mesh.records.length;
  const socket = connect(mesh.ports.gateway, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await new Promise<void>((resolve) => server.server.once('connection', () => resolve()));
  socket.destroy();
  await Promise.all([gone, mesh.ended(before + 1)]);
  assert.deepEqual([mesh.records[before].code, flagNames(mesh.records[before].flags)], [0, 'DC']);
});

test('a connection that the upstream closed while idle is replaced without the client noticing', async () => {
  let connections = 0;
  const server = await startTcp((socket) => {
    connections++;
    let requests = 0;
    socket.on('data', () => {
      requests++;
      // Answers the first request of a connection and resets at the second.
      if (requests === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      else socket.resetAndDestroy();
    });
  });
  closers.push(server.close);
  route([server.port]);
  const first = await ask('GET');
  const second = await ask('GET');
  assert.deepEqual([first.status, second.status, second.attempts, connections], [200, 200, 2, 2]);
  const post = await ask('POST', 'x');
  assert.deepEqual([post.status, post.flags], [503, 'UC']);
});

test('a request that an upstream held for a while before it broke off is not sent to the next', async () => {
  let requests = 0;
  const server = await startTcp((socket) => {
    let first = true;
    socket.on('data', () => {
      requests++;
      if (first) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      else setTimeout(() => socket.resetAndDestroy(), 700);
      first = false;
    });
  });
  closers.push(server.close);
  route([server.port]);
  assert.equal((await ask('GET')).status, 200);
  const answer = await ask('GET');
  assert.deepEqual([answer.status, answer.flags, answer.attempts, requests], [503, 'UC', 1, 2]);
});

test('a malformed request is answered 400, logged with DPE, and its connection closed', async () => {
  const before = mesh.records.length;
  const answer = await exchangeBytes(mesh.ports.gateway, 'GET /\r\n\r\n');
  assert.match(answer, /^HTTP\/1\.1 400 /);
  await mesh.ended(before + 1);
  assert.deepEqual([mesh.records[before].code, flagNames(mesh.records[before].flags)], [400, 'DPE']);
});

test('a gateway is no open proxy: CONNECT is refused', async () => {
  assert.match(
    await exchangeBytes(mesh.ports.gateway, 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n'),
    /^HTTP\/1\.1 403 /,
  );
});

test('a gateway drops what only the mesh may say, and writes who called', async () => {
  let headers: Record<string, unknown> = {};
  const app = await startApp((incoming, response) => {
    headers = incoming.headers;
    response.end();
  });
  closers.push(app.close);
  route([app.port]);
  await exchangeBytes(
    mesh.ports.gateway,
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Envoy-Max-Retries: 9\r\nx-forwarded-client-cert: forged\r\n' +
      'X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\r\n',
  );
  assert.deepEqual(
    [
      headers['x-envoy-max-retries'],
      headers['x-forwarded-client-cert'],
      headers['x-forwarded-for'],
      headers['x-forwarded-proto'],
    ],
    [undefined, undefined, '1.2.3.4, 127.0.0.1', 'http'],
  );
});
