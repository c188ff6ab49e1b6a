import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { suite, test } from 'node:test';
import { LABOUR } from '../isolation/rig.ts';
import { bench, portOf, reverseProxy } from './harness.ts';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Posts `body` and collects the answer. */
function post(port: number, headers: Record<string, string>, body: Buffer | string = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { port, host: '127.0.0.1', method: 'POST', path: '/a', headers, agent: false },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/** A gateway with the filter on threads of the pool, in front of an upstream that says what it saw. */
async function pooled(t: TestContext, strategy = 'FAIL_CLOSE') {
  const { dir, write, start, log } = await bench(t);
  const upstream = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      response.setHeader('x-saw', String(request.headers['x-seen']));
      response.end(Buffer.concat(chunks));
    });
  });
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    upstream.closeAllConnections();
    upstream.close();
  });
  await writeFile(join(dir, 'labour.wasm'), LABOUR);
  await write('edge.yaml', reverseProxy((upstream.address() as AddressInfo).port));
  await write(
    'plugin.yaml',
    `
apiVersion: weft.dev/v1
kind: Plugin
metadata: {name: labour}
spec:
  digest: sha256:${createHash('sha256').update(LABOUR).digest('hex')}
  isolation: pool
  failStrategy: ${strategy}`,
  );
  const proxy = await start({ shards: 2 });
  return { proxy, port: portOf(proxy), log };
}

suite('a plugin with isolation pool', () => {
  test('sees requests and responses, whatever their size', async (t) => {
    const { port } = await pooled(t);
    const small = await post(port, { 'x-do': 'redact' }, 'call 112');
    assert.deepEqual([small.status, small.headers['x-saw'], small.body], [200, '/a', 'call ###']);
    assert.equal(small.headers['x-seen'], 'x-seen!');
    const large = Buffer.alloc(2 << 20, 'call 112, ');
    const answers = await Promise.all([1, 2].map(() => post(port, { 'x-do': 'redact' }, large)));
    for (const { body } of answers) assert.ok(body === large.toString().replaceAll(/\d/g, '#'));
    const reply = await post(port, { 'x-do': 'reply' }, 'lost');
    assert.deepEqual([reply.status, reply.body], [418, 'short and stout']);
  });

  test('that loops costs its own requests 503, is named, and holds up nothing else', async (t) => {
    const { port, proxy, log } = await pooled(t);
    assert.equal((await post(port, {})).status, 200);
    const looping = post(port, { 'x-do': 'loop' });
    let served = 0;
    let over = false;
    const others = (async () => {
      while (!over) if ((await post(port, {})).status === 200) served++;
    })();
    assert.equal((await looping).status, 503);
    over = true;
    await others;
    assert.ok(served > 0);
    await log.line(/pool thread \d failed: plugin default\/labour has been at one thing for \d+ ms/);
    const figures = await (await fetch(`${proxy.admin}/stats/prometheus`)).text();
    assert.match(figures, /weft_plugin_restarts_total\{plugin="default\/labour",reason="deadline"\} 1/);
    assert.equal((await post(port, { 'x-do': 'redact' }, '1')).body, '#');
  });

  test('that may be left out loses no byte of what it was looking at', async (t) => {
    const { port } = await pooled(t, 'FAIL_OPEN');
    const large = Buffer.alloc(1 << 20, 'call 112, ');
    const answer = await post(port, { 'x-do': 'loop body' }, large);
    assert.equal(answer.status, 200);
    assert.ok(answer.body === large.toString().replaceAll(/\d/g, '#') || answer.body === large.toString());
  });

  test('lets a proxy that drains finish what has begun', async (t) => {
    const { port, proxy } = await pooled(t);
    assert.equal((await post(port, {})).status, 200);
    const waiting = post(port, { 'x-do': 'wake', 'x-ms': '300' }, 'late');
    // It has begun when another one behind it is through.
    assert.equal((await post(port, {})).status, 200);
    await proxy.drain();
    assert.deepEqual((({ status, body }) => [status, body])(await waiting), [200, 'late']);
  });
});
