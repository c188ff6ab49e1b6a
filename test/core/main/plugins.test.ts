import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { CONFIGURE, filter, REQUEST_HEADERS } from '../../plugins/wat.ts';
import { until } from '../../until.ts';
import { bench, get, portOf, reverseProxy } from './harness.ts';

/** Answers every request with its configuration, behind `mark`. Refuses the configuration {}. */
function answering(mark: string): Uint8Array {
  return filter(
    `(global $at (mut i32) (i32.const 0)) (global $size (mut i32) (i32.const 0))
    ${CONFIGURE}
      (if (i32.eq (local.get $size) (i32.const 2)) (then (return (i32.const 0))))
      (drop (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (local.get $size) (i32.const 64) (i32.const 68)))
      (global.set $at (i32.load (i32.const 64))) (global.set $size (i32.load (i32.const 68)))
      (i32.const 1))
    ${REQUEST_HEADERS}
      (if (global.get $size)
        (then (drop (call $proxy_send_local_response
          (i32.const 200) (i32.const 0) (i32.const 0) (global.get $at) (global.get $size) (i32.const 0) (i32.const 0) (i32.const -1))))
        (else (drop (call $proxy_send_local_response
          (i32.const 200) (i32.const 0) (i32.const 0) (TEXT mark) (i32.const 0) (i32.const 0) (i32.const -1)))))
      (i32.const 1))`,
    {
      texts: { mark },
      imports: [
        ['proxy_get_buffer_bytes', 'i32 i32 i32 i32 i32'],
        ['proxy_send_local_response', 'i32 i32 i32 i32 i32 i32 i32 i32'],
      ],
    },
  );
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function plugin(name: string, bytes: Uint8Array, more = ''): string {
  return `
apiVersion: weft.dev/v1
kind: Plugin
metadata: {name: ${name}}
spec:
  digest: ${digestOf(bytes)}
${more.replaceAll(/^(?=.)/gm, '  ')}`;
}

suite('plugins of a running proxy', () => {
  test('a plugin runs as soon as it is configured, with its new configuration, and is gone when it is deleted', async (t) => {
    const { dir, write, start, upstream, log } = await bench(t);
    const module = answering('ONE');
    await writeFile(join(dir, 'one.wasm'), module);
    await write('edge.yaml', reverseProxy(upstream));
    const proxy = await start({ shards: 2 });
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    assert.equal((await get(url)).body, 'upstream');
    await write('plugin.yaml', plugin('one', module));
    await log.line(/revision 2 runs/);
    assert.equal((await get(url)).body, 'ONE');
    await write('plugin.yaml', plugin('one', module, 'config: {say: more}'));
    await log.line(/revision 3 runs/);
    assert.equal((await get(url)).body, '{"say":"more"}');
    const [row, ...others] = JSON.parse((await get(`${proxy.admin}/filters`)).body);
    assert.deepEqual(others, []);
    const { name, chains, instances, running, missing, digest, configuration, restarts } = row;
    assert.deepEqual(
      { name, chains, instances, running, missing, digest, restarts },
      {
        name: 'default/one',
        chains: ['gateway'],
        instances: 2,
        running: true,
        missing: false,
        digest: digestOf(module),
        restarts: 0,
      },
    );
    assert.match(configuration, /^[0-9a-f]{12}$/);
    await write('plugin.yaml', plugin('one', module, 'enabled: false'));
    await log.line(/revision 4 runs/);
    assert.equal((await get(url)).body, 'upstream');
  });

  test('what a trial refuses changes nothing, and the reason is told with the resource', async (t) => {
    const { dir, write, start, upstream, log } = await bench(t);
    const module = answering('ONE');
    const looping = filter(`${CONFIGURE} (loop $l (br $l)) (i32.const 1))`);
    await Promise.all([writeFile(join(dir, 'one.wasm'), module), writeFile(join(dir, 'loop.wasm'), looping)]);
    await writeFile(join(dir, 'text.wasm'), 'no module');
    await write('edge.yaml', reverseProxy(upstream));
    await write('plugin.yaml', plugin('one', module));
    const proxy = await start();
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    assert.equal((await get(url)).body, 'ONE');
    await write('plugin.yaml', plugin('one', module, 'config: {}'));
    assert.match(await log.line(/revision 1 stays/), /is refused/);
    assert.ok(log.all.some((line) => /plugin\.yaml.*plugin default\/one: refused its configuration/.test(line)));
    await write('plugin.yaml', plugin('one', looping));
    await log.line(/plugin default\/one: .*fuel/);
    await write('plugin.yaml', plugin('one', Buffer.from('no module')));
    await log.line(/plugin default\/one: .*(module|magic)/);
    await write('plugin.yaml', plugin('one', Buffer.from('nowhere')));
    await log.line(/plugin default\/one: the module sha256:[0-9a-f]+ is not there/);
    await write('plugin.yaml', plugin('one', module, 'capabilities: [log]'));
    await log.line(/plugin default\/one: wants local_response, which it was not allowed/);
    assert.equal((await get(url)).body, 'ONE');
  });

  test('a plugin that is missing at the start is replaced by its strategy, and ready says so', async (t) => {
    const { dir, write, start, upstream, log } = await bench(t);
    const module = answering('ONE');
    await write('edge.yaml', reverseProxy(upstream));
    await write('plugin.yaml', plugin('one', module, 'failStrategy: FAIL_OPEN'));
    const open = await start();
    assert.equal((await get(`http://127.0.0.1:${portOf(open)}/`)).body, 'upstream');
    assert.match((await get(`${open.admin}/ready`)).body, /^LIVE\nbut plugin default\/one: the module .* is not there/);
    await open.close();
    await write('plugin.yaml', plugin('one', module));
    const closed = await start();
    const url = `http://127.0.0.1:${portOf(closed)}/`;
    assert.equal((await get(url)).status, 503);
    // What else changes is not held up by it.
    await write('more.yaml', 'apiVersion: v1\nkind: Service\nmetadata: {name: other}\nspec: {ports: [{port: 80}]}');
    await log.line(/revision 2 runs/);
    await writeFile(join(dir, 'one.wasm'), module);
    await until('the plugin runs', async () => (await get(url)).body === 'ONE');
    assert.equal((await get(`${closed.admin}/ready`)).body, 'LIVE\n');
  });

  test('phases, priorities and a FilterChain say who comes first, and for which routes', async (t) => {
    const { dir, write, start, upstream, log } = await bench(t);
    const [one, two] = [answering('ONE'), answering('TWO')];
    await Promise.all([writeFile(join(dir, 'one.wasm'), one), writeFile(join(dir, 'two.wasm'), two)]);
    await write('edge.yaml', reverseProxy(upstream).replace('- match:', '- name: all\n    match:'));
    await write('plugins.yaml', [plugin('one', one), plugin('two', two)].join('\n---'));
    const proxy = await start();
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    const next = async (revision: number, ...docs: string[]): Promise<string> => {
      await write('plugins.yaml', docs.join('\n---'));
      await log.line(new RegExp(`revision ${revision} runs`));
      return (await get(url)).body;
    };
    const chain = (spec: string): string =>
      `\napiVersion: weft.dev/v1\nkind: FilterChain\nmetadata: {name: order}\nspec: {direction: gateway, ${spec}}`;
    assert.equal((await get(url)).body, 'ONE');
    assert.equal(await next(2, plugin('one', one), plugin('two', two, 'priority: 5')), 'TWO');
    assert.equal(await next(3, plugin('one', one, 'phase: AUTHN'), plugin('two', two, 'priority: 5')), 'ONE');
    const both = [plugin('one', one), plugin('two', two)];
    assert.equal(
      await next(4, ...both, chain('insert: [{filter: two, before: one, config: {in: chain}}]')),
      '{"in":"chain"}',
    );
    assert.equal(await next(5, ...both, chain('disable: [one]')), 'TWO');
    assert.equal(
      await next(6, ...both, chain('routes: [{route: all, filter: one, config: {for: route}}]')),
      '{"for":"route"}',
    );
    assert.equal(await next(7, ...both, chain('routes: [{route: all, filter: one, disable: true}]')), 'TWO');
    assert.equal(await next(8, ...both, chain('routes: [{route: other, filter: one, disable: true}]')), 'ONE');
  });

  test('a WasmPlugin stands where its match says', async (t) => {
    const { dir, write, start, upstream, log } = await bench(t);
    const module = answering('WASM');
    await writeFile(join(dir, 'm.wasm'), module);
    const wasm = (match: string): string => `
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: w, annotations: {weft.dev/module-digest: "${digestOf(module)}"}}
spec: {url: "oci://example.com/w:1", match: [${match}]}`;
    await write('edge.yaml', reverseProxy(upstream));
    await write('w.yaml', wasm('{mode: SERVER}'));
    const proxy = await start();
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    assert.equal((await get(url)).body, 'upstream');
    await write('w.yaml', wasm('{mode: CLIENT}'));
    await log.line(/revision 2 runs/);
    assert.equal((await get(url)).body, 'WASM');
    await write('w.yaml', wasm('{ports: [{number: 9}]}'));
    await log.line(/revision 3 runs/);
    assert.equal((await get(url)).body, 'upstream');
    await write('w.yaml', wasm('{ports: [{number: 8080}]}'));
    await log.line(/revision 4 runs/);
    assert.equal((await get(url)).body, 'WASM');
  });

  test('a WasmPlugin may name a file, whose digest is checked', async (t) => {
    const { dir, write, start, upstream, log } = await bench(t);
    const module = answering('FILE');
    const elsewhere = await bench(t);
    const file = join(elsewhere.dir, 'm.wasm');
    await writeFile(file, module);
    const wasm = (more: string): string => `
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: w}
spec: {url: "file://${file}", pluginConfig: {from: file}${more}}`;
    await write('edge.yaml', reverseProxy(upstream));
    await write('w.yaml', wasm(`, sha256: ${digestOf(module).slice('sha256:'.length)}`));
    const proxy = await start();
    const url = `http://127.0.0.1:${portOf(proxy)}/`;
    assert.equal((await get(url)).body, '{"from":"file"}');
    await write('w.yaml', wasm(`, sha256: "${'0'.repeat(64)}"`));
    assert.match(await log.line(/w\.yaml:.*not sha256:0000/), /m\.wasm is sha256:/);
    assert.equal((await get(url)).body, '{"from":"file"}');
    assert.deepEqual(await readdir(dir), ['edge.yaml', 'w.yaml']);
  });

  test('a FilterChain configures a built-in filter, also otherwise for one route', async (t) => {
    const { write, start, upstream, log } = await bench(t);
    const chain = (more = ''): string => `
apiVersion: weft.dev/v1
kind: FilterChain
metadata: {name: edge}
spec:
  direction: gateway
  insert: [{filter: headers, after: fault, config: {response: {set: {x-a: chain}}}}]
  ${more}`;
    await write('edge.yaml', reverseProxy(upstream).replace('- match:', '- name: all\n    match:'));
    await write('chain.yaml', chain());
    const proxy = await start();
    const header = async (): Promise<string | null> =>
      (await fetch(`http://127.0.0.1:${portOf(proxy)}/`)).headers.get('x-a');
    assert.equal(await header(), 'chain');
    await write(
      'chain.yaml',
      chain('routes: [{route: all, filter: headers, config: {response: {set: {x-a: route}}}}]'),
    );
    await log.line(/revision 2 runs/);
    assert.equal(await header(), 'route');
    await write('chain.yaml', chain('routes: [{route: all, filter: headers, disable: true}]'));
    await log.line(/revision 3 runs/);
    assert.equal(await header(), null);
  });

  test('bytes are kept on disk by digest', async (t) => {
    const { dir, write, start, upstream } = await bench(t);
    const module = answering('ONE');
    await writeFile(join(dir, 'one.wasm'), module);
    await write('edge.yaml', reverseProxy(upstream));
    await write('plugin.yaml', plugin('one', module));
    const stateDir = join(dir, 'node_modules', 'state');
    await (await start({ stateDir })).ready;
    assert.deepEqual(await readdir(join(stateDir, 'modules')), [`${digestOf(module).slice(7)}.wasm`]);
  });
});
