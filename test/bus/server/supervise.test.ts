import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, suite, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openBus } from '../../../bus/connect.ts';
import { type SupervisedOptions, superviseNatsServer } from '../../../bus/server/supervise.ts';
import { until } from '../../until.ts';

const PATIENCE = { everyMs: 100, silences: 3, pauseMs: 5 };

suite('a nats-server that is looked after', { timeout: 60_000 }, () => {
  // Now and then a timer outlives the servers that were killed here, and would keep the process that has nothing left to do.
  after(() => setTimeout(() => process.exit(), 2_000).unref());

  test('is started again when it dies: port, users and data stay, and who is connected goes on', async (t) => {
    const { nats, bus, told } = await supervised(t);
    const { url, pid } = nats;
    await commit(bus, 0);
    process.kill(pid, 'SIGKILL');
    await until('it runs again', () => nats.pid !== pid && bus.connected);
    assert.equal(nats.url, url);
    await until('the log answers', () =>
      bus.config.load().then(
        ({ revision }) => revision === 1,
        () => false,
      ),
    );
    await commit(bus, 1);
    assert.match(told[0], /^nats-server ended \(SIGKILL\): it is started again$/);
    assert.match(told[1], /^nats-server runs again \(pid \d+\)$/);
    assert.equal(await nats.trouble(), '');
  });

  test('that does not answer, with a full disk, gets another start once there is room', async (t) => {
    let free = 4_096;
    const room = async () => ({ free, size: 1e9 });
    const { nats, bus, told } = await supervised(t, { room });
    const { pid } = nats;
    // Once it has been asked for the first time.
    await delay(500);
    process.kill(pid, 'SIGSTOP');
    const full = /the disk that NATS writes to \(.*\) is full, 4 KiB are left/;
    await until('it is said', () => told.some((line) => full.test(line)));
    assert.match(await nats.trouble(), full);
    await delay(300);
    assert.equal(nats.pid, pid);
    free = 1e8;
    await until('it runs again', () => nats.pid !== pid && bus.connected);
    assert.equal(await nats.trouble(), '');
  });

  test('that cannot be started any more is given up, and it is said why', async (t) => {
    const { nats, bus, told } = await supervised(t);
    // A client of NATS that is closed while it dials who accepts and says nothing keeps that socket.
    await bus.close();
    const squatter = createServer((socket) => socket.destroy()).unref();
    t.after(() => squatter.close());
    const port = Number(new URL(nats.url).port);
    process.kill(nats.pid, 'SIGKILL');
    await until('somebody else is there first', async () => {
      squatter.listen(port, '127.0.0.1');
      return once(squatter, 'listening').then(
        () => true,
        () => false,
      );
    });
    assert.match(await nats.failed, new RegExp(`port ${port} on 127.0.0.1 is in use`));
    assert.ok(told.length > 3);
  });
});

async function supervised(t: TestContext, options: Partial<SupervisedOptions> = {}) {
  const stateDir = await mkdtemp(join(tmpdir(), 'weft-supervise-'));
  const told: string[] = [];
  const nats = await superviseNatsServer({
    stateDir,
    patience: PATIENCE,
    onTrouble: (sentence) => told.push(sentence),
    ...options,
  });
  const bus = await openBus({ servers: [nats.url], name: 'test', role: 'control', ...nats.credentials.control });
  t.after(async () => {
    await bus.close();
    await nats.stop();
    await rm(stateDir, { recursive: true, force: true });
  });
  return { nats, bus, told };
}

async function commit({ config }: Awaited<ReturnType<typeof openBus>>, parent: number): Promise<void> {
  const upserts = [{ key: 'Thing/default/a', body: parent }];
  await config.commit({ parent, author: '', message: '', upserts, removals: [] });
}
