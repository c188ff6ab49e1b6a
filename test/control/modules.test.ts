import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { digestOf } from '../../bus/digest.ts';
import { Modules, type StoredModule } from '../../control/modules.ts';
import { Store } from '../../control/store.ts';
import { busy, denying, filter, REQUEST_HEADERS } from '../plugins/wat.ts';
import { type ErrorBody, files, type Plane, startDataPlane } from './harness.ts';

const WASM = { headers: { 'content-type': 'application/wasm' } };
/** Filters that differ in their bytes. */
const numbered = (n: number) => filter(`${REQUEST_HEADERS} (i32.const 0)) (func (export "n") (drop (i32.const ${n})))`);

function plugin(name: string, bytes: Uint8Array): string {
  return `apiVersion: weft.dev/v1\nkind: Plugin\nmetadata: {name: ${name}}\nspec: {digest: "${digestOf(bytes)}"}\n`;
}

suite('modules', () => {
  let plane: Plane;
  before(async () => {
    plane = await startDataPlane();
  });
  after(() => plane.stop());

  const put = (bytes: Uint8Array, digest = digestOf(bytes), options: { headers: Record<string, string> } = WASM) =>
    plane.call<ErrorBody & { created: boolean; size: number }>('PUT', `/v1/modules/${digest}`, bytes, options);

  test('a module is stored by its digest, once, told in the log, and comes back as it was', async () => {
    const bytes = busy();
    const digest = digestOf(bytes);
    assert.deepEqual((await put(bytes)).body, { digest, size: bytes.length, created: true });
    assert.deepEqual((await put(bytes)).body, { digest, size: bytes.length, created: false });
    assert.equal(
      plane.log.filter((line) => line === `module ${digest} stored, ${bytes.length} bytes, from admin`).length,
      1,
    );
    const answer = await fetch(`${plane.control.url}/v1/modules/${digest}`, {
      headers: { authorization: `Bearer ${plane.control.token}` },
    });
    assert.equal(answer.headers.get('content-type'), 'application/wasm');
    assert.deepEqual(new Uint8Array(await answer.arrayBuffer()), new Uint8Array(bytes));
  });

  test('bytes that are not what the digest says are refused, and so is what proxies would refuse', async () => {
    const wrong = await put(busy(), digestOf(denying()));
    assert.equal(wrong.status, 422);
    assert.match(wrong.body.error, /^the module has the digest sha256:.*, not sha256:.*: nothing was stored$/);
    const text = await put(Buffer.from('hello'));
    assert.equal(text.status, 422);
    assert.equal(text.body.error, 'proxies would refuse this module: not a WebAssembly module');
    assert.equal((await plane.call('GET', `/v1/modules/${digestOf(Buffer.from('hello'))}`)).status, 404);
    assert.equal((await put(busy(), 'sha256:abc')).status, 400);
    assert.equal((await put(busy(), undefined, { headers: { 'content-type': 'application/json' } })).status, 400);
  });

  test('a module of more than 64 MiB is refused before it is read', async () => {
    const { status } = await put(Buffer.alloc(8), digestOf(Buffer.alloc(8)), {
      headers: { ...WASM.headers, 'content-length': String(65 * 1024 * 1024) },
    });
    assert.equal(status, 413);
  });

  test('raw bytes are taken for modules only, with the token, from our own pages', async () => {
    const digest = digestOf(busy());
    assert.equal((await plane.call('POST', '/v1/apply', busy(), WASM)).status, 415);
    assert.equal((await put(busy(), digest, { headers: { ...WASM.headers, authorization: '' } })).status, 401);
    assert.equal(
      (await put(busy(), digest, { headers: { ...WASM.headers, origin: 'https://evil.example' } })).status,
      403,
    );
    assert.equal((await put(busy(), digest, { headers: { ...WASM.headers, host: 'evil.example' } })).status, 403);
  });

  test('a plugin whose module is not stored is refused, at its place', async () => {
    const bytes = numbered(77);
    const { status, body } = await plane.call<ErrorBody>('POST', '/v1/apply', files(plugin('absent', bytes)));
    assert.equal(status, 422);
    const [{ message, line, pointer }] = body.problems as { message: string; line?: number; pointer?: string }[];
    assert.match(message, /^the module sha256:[0-9a-f]{64} is not stored: install the plugin/);
    assert.deepEqual([line, pointer], [4, '/spec/digest']);
    await put(bytes);
    assert.equal((await plane.call('POST', '/v1/apply', files(plugin('absent', bytes)))).status, 200);
    assert.equal((await plane.call('POST', '/v1/delete', { keys: ['Plugin/default/absent'] })).status, 200);
  });

  test('the list says who runs a module', async () => {
    await put(denying());
    await plane.call('POST', '/v1/apply', files(plugin('deny', denying())));
    const { body } = await plane.call<StoredModule[]>('GET', '/v1/modules');
    const found = body.find(({ digest }) => digest === digestOf(denying()));
    assert.deepEqual(found?.usedBy, ['Plugin/default/deny']);
    assert.equal(found?.size, denying().length);
  });

  test('a sweep removes what neither the state nor a kept revision refers to, and nothing that is young', async () => {
    const [used, former, unused] = [numbered(1), numbered(2), numbered(3)];
    for (const bytes of [used, former, unused]) await put(bytes);
    await plane.call('POST', '/v1/apply', files(plugin('swept', former)));
    await plane.call('POST', '/v1/apply', files(plugin('swept', used)));
    const bus = await plane.mesh.open('control');
    const store = await Store.open(bus);
    const modules = new Modules({ bus, store, checker: { describe: async () => null }, onLog: () => undefined });
    assert.equal(await modules.sweep(60_000), 0);
    assert.ok((await modules.sweep(0)) >= 1);
    assert.deepEqual(await Promise.all([used, former, unused].map((bytes) => modules.has(digestOf(bytes)))), [
      true,
      true,
      false,
    ]);
    await store.close();
  });
});
