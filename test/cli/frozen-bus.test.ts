// Stops while NATS does not answer. Whoever stops says goodbye and goes, whether anybody hears it or not.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../bench/ports.ts';
import { Running, temporaryHome } from './mesh.ts';

const { home, remove } = temporaryHome();
const APP = join(home, 'app.mjs');
const APP_SOURCE = `
import { createServer } from 'node:http';
const server = createServer((request, response) => response.end('here'));
server.listen(Number(process.env.PORT), process.env.HOST);
process.on('SIGTERM', () => {
  process.stdout.write('app was told to stop\\n');
  process.exit(0);
});
`;
/** Without NATS noticing that it is gone by itself, after a dozen seconds; on a busy machine. */
const SOON_MS = 10_000;

suite('with NATS frozen', { timeout: 120_000 }, () => {
  let up: Running;
  let nats = 0;
  before(async () => {
    writeFileSync(APP, APP_SOURCE);
    up = new Running(['up', '--port', '0'], { home });
    await up.ready;
    nats = Number(readFileSync(join(home, 'nats', 'nats.pid'), 'utf8'));
  });
  after(async () => {
    await up?.stop();
    remove();
  });

  test('every command ends soon, and an application hears of it at once', async () => {
    const port = await freePort();
    const app = ['--port', String(port), '--', process.execPath, APP];
    const run = new Running(['run', '--service', 'served', ...app], { home });
    const gateway = new Running(['proxy', '--name', 'edge', '--admin', '127.0.0.1:0'], { home });
    await Promise.all([run.ready, gateway.ready]);
    process.kill(nats, 'SIGSTOP');
    // One that has come as far as a connection that nobody answers.
    const late = new Running(['proxy', '--name', 'late', '--admin', '127.0.0.1:0'], { home });
    await delay(1_500);
    const told = run.says(/app was told to stop/);
    const stopping = performance.now();
    const after = async (what: Promise<unknown>): Promise<number> => {
      await what;
      return performance.now() - stopping;
    };
    const ends = {
      told: after(told),
      run: after(run.stop()),
      gateway: after(gateway.stop()),
      late: after(late.stop()),
    };
    for (const [who, ms] of Object.entries(ends)) {
      const took = await ms;
      assert.ok(took < SOON_MS, `${who}: ${took.toFixed(0)} ms`);
    }
    assert.ok((await ends.told) < 6_000, `${(await ends.told).toFixed(0)} ms`);
    const begun = performance.now();
    await up.stop();
    const took = performance.now() - begun;
    assert.ok(took < 20_000, `mesh up: ${took.toFixed(0)} ms`);
    assert.throws(() => process.kill(nats, 0), /ESRCH/);
  });
});
