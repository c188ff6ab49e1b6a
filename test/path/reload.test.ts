import assert from 'node:assert/strict';
import { Agent, get } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';

let mesh: RunningDataPlane;
const closers: (() => unknown)[] = [];
const ports: number[] = [];

before(async () => {
  for (const name of ['a', 'b']) {
    const app = await startApp((_request, response) => setImmediate(() => response.end(name)));
    ports.push(app.port);
    closers.push(app.close);
  }
  mesh = await startDataPlane({ yaml: [serviceEntry('a.example', ports[0]), serviceEntry('b.example', ports[1])] });
  closers.push(mesh.close);
});

after(async () => {
  for (const close of closers) await close();
});

/** Everything changes with each revision: target, headers, fault filter, time-out. */
function rule(revision: number): string {
  const to = revision % 2 === 0 ? 'a.example' : 'b.example';
  return JSON.stringify({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'a' },
    spec: {
      hosts: ['a.example'],
      http: [
        {
          route: [{ destination: { host: to } }],
          timeout: `${10 + revision}s`,
          headers: { response: { set: { 'x-revision': String(revision) } } },
          ...(revision % 3 === 0 ? { fault: { delay: { fixedDelay: '1ms', percentage: { value: 50 } } } } : {}),
        },
      ],
    },
  });
}

test('rules are swapped under load and no request fails', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 16 });
  let done = false;
  const statuses = new Map<number, number>();
  const revisions = new Set<string>();
  const worker = async (): Promise<void> => {
    while (!done) {
      await new Promise<void>((resolve, reject) => {
        get({ host: '127.0.0.1', port: mesh.ports.outbound, headers: { host: 'a.example' }, agent }, (response) => {
          statuses.set(response.statusCode!, (statuses.get(response.statusCode!) ?? 0) + 1);
          revisions.add(String(response.headers['x-revision']));
          response.resume().on('end', resolve).on('error', reject);
        }).on('error', reject);
      });
    }
  };
  mesh.apply(rule(0));
  const workers = Array.from({ length: 16 }, worker);
  for (let revision = 1; revision <= 200; revision++) {
    mesh.apply(rule(revision));
    await delay(5);
  }
  done = true;
  await Promise.all(workers);
  agent.destroy();
  assert.deepEqual([...statuses.keys()], [200]);
  assert.ok(revisions.size > 100, `${revisions.size} revisions answered`);
});

test('an endpoint that leaves finishes what it had begun', async () => {
  mesh.apply(rule(0));
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const ask = (): Promise<string> =>
    new Promise((resolve, reject) => {
      get({ host: '127.0.0.1', port: mesh.ports.outbound, headers: { host: 'a.example' }, agent }, (response) => {
        let body = '';
        response.on('data', (chunk) => (body += chunk));
        response.on('end', () => resolve(`${response.statusCode} ${body}`));
      }).on('error', reject);
    });
  const open = Array.from({ length: 32 }, ask);
  mesh.apply(serviceEntry('a.example', ports[1]));
  assert.deepEqual(new Set((await Promise.all(open)).map((answer) => answer.slice(0, 3))), new Set(['200']));
  assert.equal(await ask(), '200 b');
  agent.destroy();
});
