// What is sent again, to whom, how often and how soon: a sidecar's outbound port in front of upstreams that do as scripted.

import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { freePort } from '../../bench/ports.ts';
import { flagNames } from '../../core/errors.ts';
import { call, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';
import { type Act, failing, hang, OK, type Received, reset, type Scripted, startScripted } from './scripted.ts';

let mesh: RunningDataPlane;
let closers: (() => unknown)[] = [];

before(async () => {
  mesh = await startDataPlane();
});

beforeEach(async () => {
  for (const close of closers) await close();
  closers = [];
});

after(async () => {
  for (const close of closers) await close();
  mesh.close();
});

interface Rule {
  readonly http?: Record<string, unknown>;
  readonly trafficPolicy?: Record<string, unknown>;
}

function route(ports: readonly number[], { http = {}, trafficPolicy }: Rule = {}): void {
  mesh.apply(
    serviceEntry('up.example', ...ports),
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: 'up' },
      spec: { hosts: ['up.example'], http: [{ route: [{ destination: { host: 'up.example' } }], ...http }] },
    }),
    JSON.stringify({
      apiVersion: 'networking.istio.io/v1',
      kind: 'DestinationRule',
      metadata: { name: 'up' },
      spec: { host: 'up.example', trafficPolicy },
    }),
  );
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly flags: string;
  readonly details: string;
  readonly attempts: number;
  readonly upstream: string;
}

interface Asked {
  readonly method?: string;
  readonly body?: string | Buffer;
  readonly headers?: Record<string, string>;
}

let asked = 0;

async function ask({ method = 'GET', body = '', headers = {} }: Asked = {}): Promise<Answer> {
  // By its own route in the record: several may be under way.
  const path = `/${++asked}`;
  const answer = await call(
    { port: mesh.ports.outbound, method, path, headers: { host: 'up.example', ...headers } },
    body,
  );
  const ended = (): RunningDataPlane['records'][number] | undefined =>
    mesh.records.find((record) => record.path === path);
  while (ended() === undefined) await mesh.ended(mesh.records.length + 1);
  const { flags, details, attempts, upstream } = ended()!;
  return { ...answer, flags: flagNames(flags), details, attempts, upstream };
}

async function upstream(...acts: Act[]): Promise<Scripted> {
  const started = await startScripted(...acts);
  closers.push(started.close);
  return started;
}

test('without a rule a 503 is the answer, and what an upstream broke off is not sent to it again', async () => {
  const { port, requests } = await upstream(failing(503), reset);
  route([port]);
  const answer = await ask();
  assert.deepEqual([answer.status, answer.body, answer.flags, answer.attempts], [503, 'broken', '-', 1]);
  const post = await ask({ method: 'POST', body: 'once' });
  assert.deepEqual([post.status, post.flags, post.attempts], [503, 'UC', 1]);
  assert.equal(requests.filter(({ method }) => method === 'POST').length, 1);
});

test('a 503 that a rule names is followed by another attempt, on the same connection, and its body is not in the answer', async () => {
  const { port, requests, connections } = await upstream(failing(503), OK);
  route([port], { http: { retries: { attempts: 2, retryOn: '503' } } });
  const answer = await ask();
  assert.deepEqual([answer.status, answer.body, answer.flags, answer.attempts], [200, 'ok', '-', 2]);
  assert.deepEqual(
    requests.map(({ headers }) => headers.get('x-envoy-attempt-count')),
    ['1', '2'],
  );
  assert.equal(connections(), 1);
});

test('a status that the rule does not name is the answer', async () => {
  const { port } = await upstream(failing(500));
  route([port], { http: { retries: { attempts: 2, retryOn: 'gateway-error,retriable-4xx,429' } } });
  const answer = await ask();
  assert.deepEqual([answer.status, answer.flags, answer.attempts], [500, '-', 1]);
});

test('a conflict is retriable-4xx, and other client errors are not', async () => {
  const { port } = await upstream(failing(409), failing(404));
  route([port], { http: { retries: { attempts: 5, retryOn: 'retriable-4xx' } } });
  const answer = await ask();
  assert.deepEqual([answer.status, answer.attempts], [404, 2]);
});

test('when the last attempt fails, too, its answer is passed on and the request is logged with URX', async () => {
  const { port, requests } = await upstream(failing(500, 'first'), failing(502, 'second'), failing(500, 'last'));
  route([port], { http: { retries: { attempts: 2, retryOn: '5xx' } } });
  const answer = await ask();
  assert.deepEqual([answer.status, answer.body, answer.flags, answer.attempts], [500, 'last', 'URX', 3]);
  assert.equal(requests.length, 3);
});

test('a rule that asks for resets sends a POST again, with the same body', async () => {
  const { port, requests } = await upstream(reset, OK);
  route([port], { http: { retries: { attempts: 1, retryOn: 'reset' } } });
  const body = Buffer.alloc(200_000, 'abc').toString();
  const answer = await ask({ method: 'POST', body });
  assert.deepEqual([answer.status, answer.flags, answer.attempts], [200, '-', 2]);
  assert.deepEqual(
    requests.map((received) => received.body === body),
    [true, true],
  );
});

test('a body of more than a mebibyte is sent once, whatever the rule says', async () => {
  const { port, requests } = await upstream(failing(500));
  route([port], { http: { retries: { attempts: 3, retryOn: '5xx' } } });
  const answer = await ask({ method: 'POST', body: Buffer.alloc((1 << 20) + 1, 'x') });
  assert.deepEqual([answer.status, answer.flags, answer.attempts, requests.length], [500, '-', 1, 1]);
});

test('trailers of a request are sent again, too', async () => {
  const seen: unknown[] = [];
  const app = await startApp((incoming, response) => {
    incoming.resume().on('end', () => {
      seen.push(incoming.trailers);
      response.statusCode = seen.length === 1 ? 500 : 200;
      response.end();
    });
  });
  closers.push(app.close);
  route([app.port], { http: { retries: { attempts: 1, retryOn: '5xx' } } });
  const status = await new Promise((resolve, reject) => {
    const sent = request({
      port: mesh.ports.outbound,
      host: '127.0.0.1',
      method: 'POST',
      agent: false,
      headers: { host: 'up.example', trailer: 'x-sum', 'transfer-encoding': 'chunked' },
    });
    sent.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject);
    sent.write('body');
    sent.addTrailers({ 'x-sum': '42' });
    sent.end();
  });
  assert.equal(status, 200);
  assert.deepEqual(seen, [{ 'x-sum': '42' }, { 'x-sum': '42' }]);
});

test('an answer that breaks off after its head is cut off, and never continued by another', async () => {
  const { port, requests } = await upstream(({ socket }) =>
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
  );
  route([port], { http: { retries: { attempts: 3, retryOn: '5xx,reset' } } });
  await assert.rejects(ask());
  assert.equal(requests.length, 1);
});

test('a try that takes too long is given up for another; when all do, the answer is 504 UT', async () => {
  const { port, requests } = await upstream(hang, OK, hang);
  route([port], { http: { retries: { attempts: 1, perTryTimeout: '250ms', retryOn: 'gateway-error' } } });
  const answer = await ask();
  assert.deepEqual([answer.status, answer.body, answer.attempts], [200, 'ok', 2]);
  const late = await ask();
  assert.deepEqual([late.status, late.flags, late.attempts], [504, 'UT,URX', 2]);
  assert.equal(late.details, 'upstream_per_try_timeout');
  assert.equal(late.body, 'upstream request timeout');
  assert.equal(requests.length, 4);
});

test('a try that takes too long is 504 UT at once where the rule does not ask for another', async () => {
  const { port } = await upstream(hang);
  route([port], { http: { retries: { attempts: 3, perTryTimeout: '50ms' } } });
  const answer = await ask();
  assert.deepEqual(
    [answer.status, answer.flags, answer.details, answer.attempts],
    [504, 'UT', 'upstream_per_try_timeout', 1],
  );
});

test('the time-out of the route holds for all attempts together', async () => {
  const { port } = await upstream(failing(503));
  route([port], { http: { timeout: '0.2s', retries: { attempts: 1000, backoff: '30ms', retryOn: '5xx' } } });
  const answer = await ask();
  assert.deepEqual([answer.status, answer.flags, answer.details], [504, 'UT', 'response_timeout']);
  assert.ok(answer.attempts < 1000);
});

test('another attempt goes to another host, also after several', async () => {
  const failures = await Promise.all([upstream(failing(503)), upstream(failing(503)), upstream(failing(503))]);
  const good = await upstream(OK);
  const ports = [...failures.map(({ port }) => port), good.port];
  route(ports, { http: { retries: { attempts: 3, backoff: '1ms', retryOn: '5xx' } } });
  for (let i = 0; i < 5; i++) {
    const answer = await ask();
    assert.deepEqual([answer.status, answer.upstream], [200, `127.0.0.1:${good.port}`]);
  }
});

test('with retryIgnorePreviousHosts: false the host that failed may be asked again', async () => {
  const hosts = await Promise.all([upstream(failing(503)), upstream(failing(503))]);
  const asked = async (retryIgnorePreviousHosts: boolean): Promise<number[]> => {
    for (const { requests } of hosts) requests.length = 0;
    route(
      hosts.map(({ port }) => port),
      {
        trafficPolicy: { loadBalancer: { simple: 'RANDOM' }, connectionPool: { http: { maxRetries: 100 } } },
        http: { retries: { attempts: 1, backoff: '1ms', retryOn: '5xx', retryIgnorePreviousHosts } },
      },
    );
    await Promise.all(Array.from({ length: 30 }, () => ask()));
    return hosts.map(({ requests }) => new Set(requests.map(({ headers }) => headers.get('x-request-id'))).size);
  };
  assert.deepEqual(await asked(true), [30, 30]);
  const [first, second] = await asked(false);
  assert.ok(first + second < 60, 'by chance every request had met both hosts: once in a billion runs');
});

test('a refused connection is no load: other hosts are tried whatever the default budget', async () => {
  const good = await upstream(OK);
  route([await freePort(), await freePort(), good.port]);
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask({ method: 'POST', body: 'x' })));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.equal(good.requests.length, 40);
});

for (const [what, trafficPolicy] of [
  ['a retry budget', { retryBudget: { percent: 0, minRetryConcurrency: 1 } }],
  ['maxRetries', { connectionPool: { http: { maxRetries: 1 } } }],
] as const) {
  test(`${what} holds back what is above it: its failure is the answer, logged with UO and counted`, async () => {
    const waiting: Received[] = [];
    // The first two fail together, the one that is tried again waits until the other has its answer.
    const { port, requests } = await upstream((received) => {
      waiting.push(received);
      if (requests.length === 2) for (const { socket } of waiting.splice(0)) socket.write(failing(503));
    });
    route([port], { trafficPolicy, http: { retries: { attempts: 1, retryOn: '5xx' } } });
    const answers = [ask(), ask()];
    const refused = await Promise.race(answers);
    assert.deepEqual([refused.status, refused.flags, refused.attempts], [503, 'UO', 1]);
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    waiting[0].socket.write(OK);
    const both = await Promise.all(answers);
    assert.deepEqual(both.map(({ status, attempts }) => `${status} ${attempts}`).sort(), ['200 2', '503 1']);
    const clusters = mesh.plane.dump('clusters') as { name: string; retries: number; retryOverflows: number }[];
    const { retries, retryOverflows } = clusters.find(({ name }) => name === 'outbound|80||up.example')!;
    assert.ok(retries >= 1 && retryOverflows >= 1);
  });
}

test('the status of a gRPC call decides when it is all that the answer has; by default a POST is not repeated for it', async () => {
  const unavailable = failing(200, '', 'content-type: application/grpc', 'grpc-status: 14');
  const { port, requests } = await upstream(unavailable, OK, unavailable);
  const call = { method: 'POST', body: 'call', headers: { 'content-type': 'application/grpc' } };
  route([port], { http: { retries: { attempts: 2, retryOn: 'unavailable' } } });
  assert.deepEqual(await ask(call).then(({ body, attempts }) => [body, attempts]), ['ok', 2]);
  route([port]);
  assert.deepEqual(await ask(call).then(({ body, attempts }) => [body, attempts]), ['', 1]);
  assert.equal(requests.length, 3);
});

test('a rate-limited answer is followed by another attempt only where envoy-ratelimited is asked for', async () => {
  const limited = failing(429, 'slow down', 'x-envoy-ratelimited: true');
  const { port } = await upstream(limited, limited, OK);
  route([port], { http: { retries: { attempts: 1, retryOn: '429,5xx' } } });
  assert.equal((await ask()).status, 429);
  route([port], { http: { retries: { attempts: 1, retryOn: 'envoy-ratelimited' } } });
  assert.deepEqual(await ask().then(({ status, attempts }) => [status, attempts]), [200, 2]);
});

test('a request may ask for its own attempts and time-outs, and its upstream sees nothing of it', async () => {
  const { port, requests } = await upstream(failing(500), failing(500), failing(500), OK, hang);
  route([port]);
  const answer = await ask({
    method: 'POST',
    body: 'x',
    headers: { 'x-envoy-retry-on': '5xx', 'x-envoy-max-retries': '3', 'x-envoy-attempt-count': '9' },
  });
  assert.deepEqual([answer.status, answer.attempts], [200, 4]);
  for (const { headers } of requests) {
    assert.deepEqual([headers.has('x-envoy-retry-on'), headers.has('x-envoy-max-retries')], [false, false]);
  }
  assert.deepEqual(
    requests.map(({ headers }) => headers.get('x-envoy-attempt-count')),
    ['1', '2', '3', '4'],
  );
  const late = await ask({ method: 'POST', body: 'x', headers: { 'x-envoy-upstream-rq-timeout-ms': '60' } });
  assert.deepEqual([late.status, late.details], [504, 'response_timeout']);
});

test('an unwanted answer without end is given up within a bound, and holds nobody up meanwhile', async () => {
  const { port, closed } = await upstream('HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n', OK);
  route([port], { http: { retries: { attempts: 1, retryOn: '5xx' } } });
  const answer = await ask();
  assert.deepEqual([answer.status, answer.body, answer.attempts], [200, 'ok', 2]);
  await closed;
});

test('an unwanted answer that is long is not read', async () => {
  const head = `HTTP/1.1 503 No\r\nContent-Length: ${10 << 20}\r\n\r\n`;
  const { port, closed } = await upstream(head, OK);
  route([port], { http: { retries: { attempts: 1, retryOn: '5xx' } } });
  assert.equal((await ask()).status, 200);
  await closed;
});

test('a client that goes away during the pause ends the attempts', async () => {
  const { port, requests } = await upstream(failing(503));
  route([port], { http: { retries: { attempts: 5, backoff: '60s', retryOn: '5xx' } } });
  const before = mesh.records.length;
  const sent = request({ port: mesh.ports.outbound, host: '127.0.0.1', agent: false, headers: { host: 'up.example' } });
  sent.on('error', () => {});
  sent.end();
  const clusters = (): { name: string; retries: number; active: number }[] => mesh.plane.dump('clusters') as never;
  const retries = (): number => clusters().find(({ name }) => name === 'outbound|80||up.example')!.retries;
  const had = retries();
  while (retries() === had) await new Promise((resolve) => setImmediate(resolve));
  sent.destroy();
  await mesh.ended(before + 1);
  assert.deepEqual([flagNames(mesh.records[before].flags), requests.length], ['DC', 1]);
});
