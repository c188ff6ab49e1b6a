import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { Api } from '../../../cli/api.ts';
import { readContext } from '../../../cli/context.ts';
import { filter, RESPONSE_HEADERS } from '../../plugins/wat.ts';
import { edge } from '../edge.ts';
import { mesh } from '../in-process.ts';
import { Running, temporaryHome } from '../mesh.ts';
import { Registry } from './registry.ts';

const { home, remove } = temporaryHome();
const work = join(home, 'work');
const registry = new Registry();
const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];

/** Adds a header to each answer. */
function stamping(value: string): Uint8Array {
  return filter(
    `${RESPONSE_HEADERS}
      (drop (call $proxy_add_header_map_value (i32.const 2) (TEXT name) (TEXT value))) (i32.const 0))`,
    { texts: { name: 'x-stamp', value }, imports: [['proxy_add_header_map_value', 'i32 i32 i32 i32 i32']] },
  );
}

suite('a plugin by name onto six proxies', { timeout: 220_000 }, () => {
  let up: Running;
  let proxies: Running[] = [];
  let urls: string[] = [];

  const stamps = (): Promise<(string | null)[]> =>
    Promise.all(urls.map(async (url) => (await fetch(url)).headers.get('x-stamp')));

  before(async () => {
    mkdirSync(work);
    await registry.start();
    const settings = [`registry=${registry.url}`, `cache=${join(home, 'npm')}`];
    writeFileSync(join(work, '.npmrc'), settings.join('\n'));
    up = new Running(['up', '--port', '0'], { home });
    await up.ready;
    const api = new Api(await readContext(home));
    await api.apply([{ name: 'edge.yaml', text: edge('directResponse: { status: 200, body: { string: hello } }') }]);
    proxies = NAMES.map(
      (name) =>
        new Running(
          ['proxy', '--name', `edge-${name}`, '--shards', '1', '--gateway-port', '80=0', '--access-log', 'off'],
          { home },
        ),
    );
    const ready = await Promise.all(proxies.map((proxy) => proxy.ready));
    urls = ready.map(({ listeners }) => {
      const { port } = (listeners as { kind: string; port: number }[]).find(({ kind }) => kind === 'gateway')!;
      return `http://127.0.0.1:${port}/`;
    });
    for (const version of ['1.0.0', '1.1.0']) {
      await registry.publish({
        ...{ name: '@weft-mesh/plugin-stamp', version, module: stamping(version) },
        plugin: { capabilities: ['change_headers'], type: 'http' },
      });
    }
  });
  after(async () => {
    await Promise.all([...proxies.map((proxy) => proxy.stop()), registry.stop()]);
    await up?.stop();
    remove();
  });

  test('one command fetches, verifies, tries and stores it, and ends when all six run it', async (t) => {
    assert.deepEqual(
      await stamps(),
      NAMES.map(() => null),
    );
    const began = performance.now();
    const { code, out, err } = await mesh(
      ['plugin', 'install', 'stamp@1.0.0', '--enable', '--yes', '--wait', '--timeout', '120s'],
      {
        ...{ home, cwd: work },
      },
    );
    const ms = Math.round(performance.now() - began);
    assert.equal(code, 0, err);
    assert.equal(out, 'stamp 1.0.0 installed, enabled\n');
    assert.match(err, /^ {2}verify +integrity; signature /m);
    assert.match(err, /^ {2}wait +6\/6 proxies, p50 [\d.]+ ms, max [\d.]+ ms$/m);
    t.diagnostic(`installed on six proxies in ${ms} ms; ${/^ {2}wait +(.*)$/m.exec(err)?.[1]}`);
    assert.deepEqual(
      await stamps(),
      NAMES.map(() => '1.0.0'),
      'no request after it goes without',
    );
    assert.ok(ms < 120_000);
  });

  test('the new version is on all six after update, and the old one after rollback', async () => {
    const updated = await mesh(['plugin', 'update', 'stamp@^1', '--yes', '--timeout', '120s'], { home, cwd: work });
    assert.equal(updated.code, 0, updated.err);
    assert.deepEqual(
      await stamps(),
      NAMES.map(() => '1.1.0'),
    );
    registry.failing = 500;
    const back = await mesh(['plugin', 'rollback', 'stamp', '--timeout', '120s'], { home, cwd: work });
    registry.failing = 0;
    assert.equal(back.code, 0, back.err);
    assert.deepEqual(
      await stamps(),
      NAMES.map(() => '1.0.0'),
    );
  });

  test('list counts them all, with their restarts, memory and time per call', async () => {
    for (let round = 0; round < 70; round++) await stamps();
    const { code, out, err } = await mesh(['plugin', 'list', '--json'], { home });
    assert.equal(code, 0, err);
    const [{ running, digest }] = JSON.parse(out);
    assert.equal(running.proxies.length, 6);
    assert.deepEqual([running.failing, running.restarts], [[], 0]);
    assert.ok(running.memory >= 6 * 65_536);
    assert.ok(running.p50Micros > 0);
    assert.deepEqual(running.digests, [digest.replace('sha256:', '')]);
  });
});
