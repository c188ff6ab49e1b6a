import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, type TestContext, test } from 'node:test';
import { openLogOutput } from '../../../core/main/log-writer.ts';
import { bench, get, portOf, reverseProxy } from './harness.ts';

suite('where access logs are written', () => {
  test('lines arrive in order, after what the file held, and are reported as written', async (t) => {
    const file = join(await folder(t), 'access.log');
    let settled = 0;
    for (let run = 0; run < 2; run++) {
      const output = await openLogOutput(file);
      for (let i = 0; i < 100; i++) output.write(`run ${run} line ${i}\n`, () => settled++);
      await output.close(5_000);
      assert.equal(output.dropped, 0);
    }
    const text = await readFile(file, 'utf8');
    const expected = [0, 1].flatMap((run) => Array.from({ length: 100 }, (_, i) => `run ${run} line ${i}\n`));
    assert.equal(text, expected.join(''));
    assert.equal(settled, 200);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
  });

  test('what waits is bounded: beyond it lines are dropped and counted', async (t) => {
    const output = await openLogOutput(join(await folder(t), 'access.log'));
    const batch = `${'x'.repeat(1023)}\n`.repeat(1024);
    for (let i = 0; i < 8; i++) output.write(batch);
    assert.equal(output.dropped, 4 * 1024);
    await output.close(5_000);
  });

  test('a file that cannot be opened is an error at once; a full disk is said once', async () => {
    await assert.rejects(openLogOutput('/nowhere/at/all/access.log'), /ENOENT/);
    const said: string[] = [];
    const output = await openLogOutput('/dev/full', (message) => said.push(message));
    output.write('one\n');
    output.write('two\n');
    await output.close(5_000);
    assert.deepEqual(said, [
      'access log: /dev/full cannot be written: ENOSPC: no space left on device, write; lines are lost',
    ]);
    assert.equal(output.dropped, 2);
  });

  test('a proxy writes each request of every shard, in both formats, by the time it has ended', async (t) => {
    for (const format of ['text', 'json'] as const) {
      const { dir, write, start, upstream } = await bench(t);
      await write('edge.yaml', reverseProxy(upstream));
      const file = join(dir, `${format}.log`);
      const proxy = await start({ shards: 2, accessLog: { format, file } });
      for (let i = 0; i < 10; i++) await get(`http://127.0.0.1:${portOf(proxy)}/number/${i}`);
      await proxy.drain();
      const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
      assert.equal(lines.length, 10);
      for (let i = 0; i < 10; i++) assert.ok(lines.some((line) => line.includes(`/number/${i}`)));
      if (format === 'json') for (const line of lines) assert.equal(JSON.parse(line).response_code, 200);
    }
  });
});

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'weft-log-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}
