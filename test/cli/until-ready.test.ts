import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { untilReady } from '../../cli/until-ready.ts';
import { mesh, temporaryHome } from './mesh.ts';

const { home, remove } = temporaryHome();
after(remove);

const NEVER = new Promise<never>(() => {});
const SOON = { tellMs: 60_000, leastMs: 1 };

test('whoever waits for a first configuration waits for its end, for the signal, or for the limit', async () => {
  const waiting = { reason: 'no configuration yet from NATS at nats://a:1', refused: false };
  const proxy = { ready: NEVER, waiting };
  assert.equal(await untilReady({ ...proxy, ready: Promise.resolve() }, NEVER, 60_000, SOON), undefined);
  assert.equal(await untilReady(proxy, Promise.resolve('SIGTERM'), 60_000, SOON), 'SIGTERM');
  await assert.rejects(untilReady(proxy, NEVER, 20, SOON), {
    message: 'not ready within 0.02 s: no configuration yet from NATS at nats://a:1',
    exitCode: 5,
  });
  await assert.rejects(untilReady({ ...proxy, waiting: { ...waiting, refused: true } }, NEVER, 20, SOON), {
    exitCode: 3,
  });
  const ended = Promise.reject(new Error('the proxy ended before it was ready'));
  await assert.rejects(untilReady({ ...proxy, ready: ended }, NEVER, 60_000, SOON), /ended before/);
});

test('mesh run and mesh proxy without NATS name it and end with 5', async () => {
  const port = await new Promise<number>((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = server.address() as { port: number };
      server.close(() => resolve(free));
    });
  });
  const context = {
    api: 'http://127.0.0.1:1',
    token: 'x',
    bus: { servers: [`nats://127.0.0.1:${port}`] },
  };
  writeFileSync(join(home, 'context.json'), JSON.stringify(context));
  for (const command of [
    ['run', '--service', 'job', '--ready-timeout', '1s', '--', 'true'],
    ['proxy', '--ready-timeout', '1s'],
  ]) {
    const { code, out, err } = await mesh(command, { home });
    assert.deepEqual([code, out], [5, ''], err);
    // Its user of NATS is made by the control plane, which is asked first.
    assert.match(
      err,
      new RegExp(
        `from NATS at nats://127\\.0\\.0\\.1:${port}: control plane not reachable at http://127\\.0\\.0\\.1:1: `,
      ),
    );
    assert.match(
      err,
      new RegExp(`^mesh: not ready within 1 s: no configuration yet from NATS at nats://127\\.0\\.0\\.1:${port}`, 'm'),
    );
  }
});
