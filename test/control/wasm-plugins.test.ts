import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import fastify from 'fastify';
import { MODULE_DIGEST } from '../../core/config/modules.ts';
import type { Resource } from '../../core/config/resource.ts';
import { ImageRegistry } from '../plugins/oci/image-registry.ts';
import { busy, denying } from '../plugins/wat.ts';
import { type ErrorBody, type Plane, type Reply, startDataPlane } from './harness.ts';

const images = new ImageRegistry();
const stateDir = mkdtempSync(join(tmpdir(), 'mesh-control-'));
const web = fastify({ forceCloseConnections: true });
const files = new Map<string, Buffer>();
const module = Buffer.from(busy());
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const key = publicKey.export({ type: 'spki', format: 'pem' }) as string;
let origin: string;
let plane: Plane;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function wasmPlugin(url: string, more: Readonly<Record<string, unknown>> = {}, name = 'basic-auth'): string {
  return JSON.stringify({
    apiVersion: 'extensions.istio.io/v1alpha1',
    kind: 'WasmPlugin',
    metadata: { name, namespace: 'default' },
    spec: { url, phase: 'AUTHN', pluginConfig: { basic_auth_rules: [] }, ...more },
  });
}

function apply<T = { changes: { change: string }[] }>(
  text: string,
  query = '',
  modules?: Record<string, string>,
): Promise<Reply<T>> {
  return plane.call<T>('POST', `/v1/apply${query}`, { files: [{ name: 'plugin.yaml', text }], modules });
}

async function refused(text: string, reason: RegExp): Promise<void> {
  const { status, body } = await apply<ErrorBody>(text);
  assert.equal(status, 422, JSON.stringify(body));
  assert.match(body.problems?.[0].message ?? body.error, reason);
  assert.deepEqual([body.problems?.[0].pointer, body.problems?.[0].file], ['/spec/url', 'plugin.yaml']);
}

async function digest(name = 'basic-auth'): Promise<string | undefined> {
  const { body } = await plane.call<{ items: Resource[] }>('GET', `/v1/resources?kind=WasmPlugin&name=${name}`);
  return body.items[0]?.metadata.annotations?.[MODULE_DIGEST];
}

const OK = `sha256:${sha256(module)}`;

suite('WasmPlugins as they are applied', { timeout: 120_000 }, () => {
  before(async () => {
    web.get('/*', (request, reply) => {
      const file = files.get(request.url);
      return file === undefined ? reply.code(404).send() : reply.type('application/wasm').send(file);
    });
    origin = await web.listen({ host: '127.0.0.1', port: 0 });
    await images.start();
    plane = await startDataPlane({ allowPrivateFetch: true, stateDir });
  });
  after(async () => {
    await plane?.stop();
    await Promise.all([images.stop(), web.close()]);
    rmSync(stateDir, { recursive: true, force: true });
  });

  test("an image, with or without its scheme, is fetched once and stored, and the resource has its module's digest", async () => {
    images.push('istio/basic-auth', '1.12', 'compat', module);
    const { status, body } = await apply(wasmPlugin(`oci://${images.host}/istio/basic-auth:1.12`));
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(await digest(), OK);
    const stored = await plane.call<Buffer>('GET', `/v1/modules/${OK}`);
    assert.equal(stored.status, 200);
    const before = images.asked.length;
    assert.equal(
      (await apply(wasmPlugin(`oci://${images.host}/istio/basic-auth:1.12`))).body.changes[0].change,
      'unchanged',
    );
    assert.equal(images.asked.length, before);
    assert.equal((await apply(wasmPlugin(`${images.host}/istio/basic-auth:1.12`, {}, 'short'))).status, 200);
    assert.equal(await digest('short'), OK);
  });

  test('latest is asked for again, and so is what is always pulled; others when they are not present', async () => {
    images.push('istio/moving', 'latest', 'cncf', module);
    images.push('istio/moving', 'v1', 'cncf', module);
    const latest = wasmPlugin(`oci://${images.host}/istio/moving`, {}, 'latest');
    const tagged = wasmPlugin(`oci://${images.host}/istio/moving:v1`, {}, 'tagged');
    const always = wasmPlugin(`oci://${images.host}/istio/moving:v1`, { imagePullPolicy: 'Always' }, 'always');
    const all = [latest, tagged, always].join('\n---\n');
    assert.equal((await apply(all)).status, 200);
    images.push('istio/moving', 'latest', 'cncf', denying());
    images.push('istio/moving', 'v1', 'cncf', denying());
    assert.equal((await apply(all)).status, 200);
    const other = `sha256:${sha256(denying())}`;
    assert.deepEqual(await Promise.all(['latest', 'tagged', 'always'].map(digest)), [other, OK, other]);
  });

  test('sha256 is of the module or of its image, and anything else is refused', async () => {
    const image = images.push('istio/pinned', 'v1', 'docker', module);
    const url = `oci://${images.host}/istio/pinned:v1`;
    assert.equal((await apply(wasmPlugin(url, { sha256: sha256(module) }, 'by-module'))).status, 200);
    assert.equal((await apply(wasmPlugin(url, { sha256: image.slice(7) }, 'by-image'))).status, 200);
    await refused(
      wasmPlugin(url, { sha256: 'a'.repeat(64) }, 'wrong'),
      /^verify: .* has the sha256:[0-9a-f]{64} in the image sha256:/,
    );
    assert.equal(await digest('wrong'), undefined);
  });

  test('a module by its address is fetched, and told when it is not there or not what it should be', async () => {
    files.set('/filter.wasm', module);
    assert.equal((await apply(wasmPlugin(`${origin}/filter.wasm`, { sha256: sha256(module) }, 'web'))).status, 200);
    assert.equal(await digest('web'), OK);
    await refused(wasmPlugin(`${origin}/none.wasm`), /^fetch: there is nothing at/);
    await refused(wasmPlugin(`${origin}/filter.wasm`, { sha256: 'b'.repeat(64) }), /^verify: .* has the sha256:/);
    files.set('/text.wasm', Buffer.from('hello'));
    await refused(wasmPlugin(`${origin}/text.wasm`), /^check: .* cannot run: .*WebAssembly/);
  });

  test('verificationKey is checked: images by cosign, modules by the signature beside them', async () => {
    const signed = images.push('istio/signed', 'v1', 'wasm-to-oci', module);
    const url = `oci://${images.host}/istio/signed:v1`;
    await refused(
      wasmPlugin(url, { verificationKey: key }, 'signed'),
      /^verify: .* is not signed, and a verification key is given$/,
    );
    images.sign('istio/signed', signed, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    await refused(
      wasmPlugin(url, { verificationKey: key }, 'signed'),
      /^verify: .* is signed, but not by the given key$/,
    );
    images.sign('istio/signed', signed, privateKey);
    assert.equal((await apply(wasmPlugin(url, { verificationKey: key }, 'signed'))).status, 200);
    assert.equal(await digest('signed'), OK);

    await refused(
      wasmPlugin(`${origin}/filter.wasm`, { verificationKey: key }),
      /^verify: .*is not signed \(no \/filter\.wasm\.sig\)/,
    );
    files.set('/filter.wasm.sig', Buffer.from(sign('sha256', module, privateKey).toString('base64')));
    assert.equal(
      (await apply(wasmPlugin(`${origin}/filter.wasm`, { verificationKey: key }, 'web-signed'))).status,
      200,
    );
    files.set('/filter.wasm.sig', Buffer.from('AAAA'));
    await refused(
      wasmPlugin(`${origin}/filter.wasm`, { verificationKey: key }),
      /is signed, but not by the given key$/,
    );
  });

  test('an imagePullSecret is a file of the control plane, named and never shown', async () => {
    images.push('istio/private', 'v1', 'cncf', module);
    const text = wasmPlugin(`oci://${images.host}/istio/private:v1`, { imagePullSecret: 'pull' }, 'private');
    await refused(
      text,
      /the imagePullSecret pull is the file .*pull-secrets\/default\/pull\.json, which does not exist$/,
    );
    images.login = { username: 'robot', password: 'hidden' };
    mkdirSync(join(stateDir, 'pull-secrets', 'default'), { recursive: true });
    const secret = join(stateDir, 'pull-secrets', 'default', 'pull.json');
    writeFileSync(secret, JSON.stringify({ auths: { [images.host]: { username: 'robot', password: 'hidden' } } }));
    try {
      assert.equal((await apply(text)).status, 200);
      assert.doesNotMatch(
        JSON.stringify((await plane.call('GET', '/v1/resources?kind=WasmPlugin')).body) + plane.log.join(),
        /hidden/,
      );
    } finally {
      images.login = null;
    }
    await refused(
      text.replace('"pull"', '"../token"').replace('"private"', '"escaping"'),
      /is no name of a secret|imagePullSecret/,
    );
  });

  test('a file is what the command line has read and stored, never a path of the control plane', async () => {
    const url = 'file:///etc/passwd';
    await refused(
      wasmPlugin(url, {}, 'file'),
      /^fetch: file:\/\/\/etc\/passwd is a file: it is read where `mesh apply -f` runs/,
    );
    assert.equal((await apply(wasmPlugin(url, {}, 'file'), '', { [url]: OK })).status, 200);
    assert.equal(await digest('file'), OK);
    assert.equal((await apply(wasmPlugin(url, {}, 'file'))).body.changes[0].change, 'unchanged');
  });

  test('a digest that somebody writes into the resource counts for nothing', async () => {
    const other = `sha256:${'c'.repeat(64)}`;
    const text = wasmPlugin(`oci://${images.host}/istio/basic-auth:1.12`).replace(
      '"namespace":"default"',
      `"namespace":"default","annotations":{"${MODULE_DIGEST}":"${other}"}`,
    );
    assert.equal((await apply(text)).status, 200);
    assert.equal(await digest(), OK);
  });

  test('a dry run fetches and checks, and stores nothing', async () => {
    const fresh = Buffer.from(denying());
    images.push('istio/dry', 'v1', 'cncf', Buffer.concat([fresh, Buffer.from([0, 2, 1, 0x61])]));
    const { body: before } = await plane.call<unknown[]>('GET', '/v1/modules');
    assert.equal((await apply(wasmPlugin(`oci://${images.host}/istio/dry:v1`, {}, 'dry'), '?dryRun=true')).status, 200);
    const { body: afterwards } = await plane.call<unknown[]>('GET', '/v1/modules');
    assert.equal(afterwards.length, before.length);
    assert.equal(
      (await apply(wasmPlugin(`oci://${images.host}/istio/nothing:v1`, {}, 'dry'), '?dryRun=true')).status,
      422,
    );
  });

  test('private addresses are refused unless they are allowed, and nothing is changed', async () => {
    const strict = await plane.another({ allowPrivateFetch: false });
    const options = { to: strict };
    const text = wasmPlugin(`oci://${images.host}/istio/basic-auth:1.12`, {}, 'strict');
    const { status, body } = await plane.call<ErrorBody>(
      'POST',
      '/v1/apply',
      { files: [{ name: 'x', text }] },
      options,
    );
    assert.equal(status, 422);
    assert.match(body.problems?.[0].message ?? '', /is a private address, which is not allowed here/);
  });

  test('a source that does not answer is no fault of the configuration, beside one that is it is', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    const away = wasmPlugin(`http://127.0.0.1:${port}/a.wasm`, {}, 'away');
    for (const query of ['', '?dryRun=true']) {
      const { status, body } = await plane.call<ErrorBody>('POST', `/v1/apply${query}`, {
        files: [{ name: 'x', text: away }],
      });
      assert.deepEqual([status, body.error], [502, 'a module cannot be fetched now: nothing was changed']);
      const [{ code, file, line, pointer }] = body.problems!;
      assert.deepEqual([code, file, line, pointer], ['module_unreachable', 'x', 1, '/spec/url']);
    }
    const registry = wasmPlugin(`oci://127.0.0.1:${port}/a:v1`, {}, 'registry');
    assert.equal((await apply(registry)).status, 502);
    const missing = wasmPlugin(`oci://${images.host}/istio/nothing:v1`, {}, 'missing');
    assert.equal((await apply(`${missing}\n---\n${away}`)).status, 422);
  });
});
