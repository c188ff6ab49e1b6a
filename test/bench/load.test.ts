// The load generator against servers whose delays are known: what it reports is what a client would have waited.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { Children } from '../../bench/children.ts';
import { latencyOf } from '../../bench/figures.ts';
import { AnswerReader } from '../../bench/load/answer.ts';
import { openLoop, patientLoop } from '../../bench/load/own.ts';
import { wrkArguments } from '../../bench/load/wrk.ts';
import { get } from '../../bench/scenarios/entrants.ts';

test('a server that answers after 60 ms is seen to take 60 ms at every percentile', async (t) => {
  const origin = await serving(t, (_request, response) => {
    setTimeout(() => response.end('x'.repeat(300)), 60);
  });
  const { latenciesMicros, lateP99Micros, errors } = await openLoop(children(t)).run(origin, get(300), 200, 1);
  const { p50Ms, p99Ms } = latencyOf(200, latenciesMicros, lateP99Micros);
  assert.equal(errors, 0);
  assert.equal(latenciesMicros.length, 200);
  // Node's timers may be a millisecond early; how late anything is depends on the machine.
  assert.ok(Math.min(...latenciesMicros) >= 58_000, `${Math.min(...latenciesMicros)} µs`);
  assert.ok(p50Ms >= 59 && p99Ms >= p50Ms, `${p50Ms} ms, ${p99Ms} ms`);
});

test('a server that stands still for half a second delays all who came meanwhile, not only who was being served', async (t) => {
  let asked = 0;
  const origin = await serving(t, (_request, response) => {
    if (++asked === 100) {
      // As a garbage collection would: nobody is answered.
      const until = performance.now() + 500;
      while (performance.now() < until);
    }
    response.end('x'.repeat(300));
  });
  const traffic = get(300, { connections: 4 });
  const { latenciesMicros, errors } = await openLoop(children(t)).run(origin, traffic, 200, 2);
  assert.equal(errors, 0);
  // 100 requests were due in these 500 ms, one every 5 ms, and waited for what was left of it.
  const waited = (ms: number): number => latenciesMicros.filter((micros) => micros >= ms * 1000).length;
  assert.ok(waited(490) >= 1, `${waited(490)} waited for 490 ms`);
  assert.ok(waited(250) >= 45, `${waited(250)} waited for 250 ms`);
  assert.ok(waited(50) >= 85, `${waited(50)} waited for 50 ms`);
});

test('failures and answers of 400 and above are errors, and their waits are counted', async (t) => {
  let asked = 0;
  const origin = await serving(t, (request, response) => {
    asked++;
    if (asked % 10 === 0) request.socket.destroy();
    else {
      response.statusCode = asked % 10 === 5 ? 503 : 200;
      response.end('x'.repeat(300));
    }
  });
  const { latenciesMicros, errors } = await openLoop(children(t)).run(origin, get(300, { connections: 2 }), 100, 1);
  assert.equal(latenciesMicros.length, 100);
  assert.equal(errors, 20);
});

test('an answer that lacks something is an error, whatever its status', async (t) => {
  let asked = 0;
  const origin = await serving(t, (_request, response) => {
    const text = 'x'.repeat(asked++ % 4 === 3 ? 299 : 300);
    response.setHeader('content-length', text.length).end(text);
  });
  const { latenciesMicros, errors } = await openLoop(children(t)).run(origin, get(300), 40, 1);
  assert.equal(latenciesMicros.length, 40);
  assert.equal(errors, 10);
});

test('a closed loop counts every answer that it asked for, also on connections of their own', async (t) => {
  let answered = 0;
  const origin = await serving(t, (_request, response) => {
    answered++;
    response.end('x'.repeat(300));
  });
  const traffic = get(300, { connections: 3 });
  const { requests, errors } = await patientLoop(children(t)).run(origin, traffic, 1);
  assert.equal(errors, 0);
  assert.equal(requests, answered);
  answered = 0;
  const fresh = await openLoop(children(t)).run(origin, get(300, { fresh: true }), 50, 1);
  assert.equal(fresh.errors, 0);
  assert.equal(answered, 50);
});

test('the end of an answer is found however it is cut', () => {
  const fixed = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
  const chunked = 'HTTP/1.1 503 no\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n';
  for (const [text, status] of [
    [fixed, 200],
    [chunked, 503],
  ] as const) {
    for (let cut = 1; cut < text.length; cut++) {
      const reader = new AnswerReader();
      const [first, second] = [Buffer.from(text.slice(0, cut)), Buffer.from(text.slice(cut))];
      assert.equal(reader.push(first, first.length), false, `${cut}`);
      assert.equal(reader.push(second, second.length), true, `${cut}`);
      assert.equal(reader.status, status);
    }
  }
});

function children(t: TestContext): Children {
  const started = new Children();
  t.after(() => started.stop());
  return started;
}

async function serving(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer((request, response) => {
    response.setHeader('content-length', 300);
    listener(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test('wrk is told the name that is asked for as it writes it itself, or it would send two', () => {
  const given = wrkArguments('http://127.0.0.1:80', get(300, { headers: { host: 'bench', 'x-a': 'b' } }), 1);
  assert.deepEqual(
    given.filter((_, i) => given[i - 1] === '-H'),
    ['Host: bench', 'x-a: b'],
  );
});
