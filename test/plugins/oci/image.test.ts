import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { after, before, suite, test } from 'node:test';
import { parseLogins } from '../../../plugins/oci/credentials.ts';
import { type ImageOptions, pullImage } from '../../../plugins/oci/image.ts';
import { parseReference } from '../../../plugins/oci/reference.ts';
import { StepFailed } from '../../../plugins/step.ts';
import { busy, denying } from '../wat.ts';
import { ImageRegistry, type Layout } from './image-registry.ts';

const registry = new ImageRegistry();
const module = busy();

const pull = (reference: string, options: Partial<ImageOptions> = {}) =>
  pullImage(`${registry.host}/${reference}`, { allowPrivate: true, logins: () => null, ...options });

async function failure(reference: string, options: Partial<ImageOptions> = {}): Promise<StepFailed> {
  try {
    await pull(reference, options);
  } catch (error) {
    if (error instanceof StepFailed) return error;
    throw error;
  }
  throw new Error(`${reference} was pulled`);
}

before(() => registry.start());
after(() => registry.stop());

suite('images of plugins', () => {
  for (const layout of ['wasm-to-oci', 'compat', 'docker', 'cncf'] as const satisfies readonly Layout[]) {
    test(`the module of the layout ${layout} is found, by tag and by digest`, async () => {
      const digest = registry.push(`acme/${layout}`, 'v1', layout, module);
      const image = await pull(`acme/${layout}:v1`);
      assert.deepEqual(Buffer.from(image.module), Buffer.from(module));
      assert.deepEqual([image.digest, image.source], [digest, `oci://${registry.host}/acme/${layout}@${digest}`]);
      assert.equal((await pull(`acme/${layout}@${digest}`)).digest, digest);
    });
  }

  test('of an index, the image for WASM is taken', async () => {
    const digest = registry.push('acme/many', 'one', 'cncf', module);
    const index = registry.pushIndex('acme/many', 'latest', digest);
    const image = await pull('acme/many');
    assert.deepEqual([image.module.length, image.digest], [module.length, index]);
  });

  test('references are read as Docker reads them', () => {
    const read = (text: string) => Object.values(parseReference(text)).slice(0, 3).join(' ');
    assert.equal(read('ghcr.io/acme/waf:2'), 'ghcr.io acme/waf 2');
    assert.equal(read('localhost:5000/waf'), 'localhost:5000 waf latest');
    assert.equal(read('acme/waf'), 'docker.io acme/waf latest');
    assert.equal(read('waf:1'), 'docker.io library/waf 1');
    for (const wrong of ['', 'UPPER/case', 'a/../b', 'x@sha256:1', 'host:1/'])
      assert.throws(() => parseReference(wrong), StepFailed, wrong);
  });

  test('what is not there is missing, and a registry that fails is not known', async () => {
    const { step, fault, message } = await failure('acme/none:1');
    assert.deepEqual([step, fault], ['resolve', 'missing']);
    assert.match(message, /^there is no image .*\/acme\/none:1$/);
    registry.failing = 502;
    const failed = await failure('acme/cncf:v1');
    registry.failing = 0;
    assert.equal(failed.fault, 'unreachable');
    assert.match(failed.message, /answers 502; whether .*\/acme\/cncf:v1 is there is not known$/);
  });

  test('a registry of this machine is reached only where private addresses are allowed', async () => {
    const { fault, message } = await failure('acme/cncf:v1', { allowPrivate: false });
    assert.equal(fault, 'refused');
    assert.match(message, /is a private address, which is not allowed here/);
  });

  test('credentials of docker login are used, by Basic and by token, and never told', async () => {
    const auth = Buffer.from('me:secret').toString('base64');
    const logins = parseLogins(JSON.stringify({ auths: { [registry.host]: { auth } } }), 'config.json');
    registry.login = { username: 'me', password: 'secret' };
    try {
      for (const scheme of ['basic', 'bearer'] as const) {
        registry.scheme = scheme;
        assert.equal((await pull('acme/cncf:v1', { logins })).module.length, module.length);
        const { fault, message } = await failure('acme/cncf:v1');
        assert.equal(fault, 'unreachable');
        assert.match(message, /answers 401 for .*: log in with docker login, or give an imagePullSecret$/);
      }
      const wrong = parseLogins(
        JSON.stringify({ auths: { [registry.host]: { username: 'me', password: 'hidden' } } }),
        'x',
      );
      assert.doesNotMatch((await failure('acme/cncf:v1', { logins: wrong })).message, /hidden/);
    } finally {
      registry.login = null;
    }
  });

  test('a signature of the key that is given is needed, of this very image', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const verificationKey = publicKey.export({ type: 'spki', format: 'pem' }) as string;
    const digest = registry.push('acme/signed', 'v1', 'compat', module);
    assert.match(
      (await failure('acme/signed:v1', { verificationKey })).message,
      /is not signed, and a verification key is given$/,
    );
    registry.sign('acme/signed', digest, generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    assert.match(
      (await failure('acme/signed:v1', { verificationKey })).message,
      /is signed, but not by the given key$/,
    );
    registry.sign('acme/signed', digest, privateKey, `sha256:${'0'.repeat(64)}`);
    assert.match((await failure('acme/signed:v1', { verificationKey })).message, /has a signature of another image$/);
    registry.sign('acme/signed', digest, privateKey);
    assert.equal((await pull('acme/signed:v1', { verificationKey })).signature, 'the given key');
    assert.match((await failure('acme/signed:v1', { verificationKey: 'no key' })).message, /is no public key in PEM$/);
  });

  test('a layer that is not what the manifest says is refused', async () => {
    registry.push('acme/tampered', 'v1', 'cncf', denying());
    registry.tamper();
    const { step, fault, message } = await failure('acme/tampered:v1');
    assert.deepEqual([step, fault], ['verify', 'refused']);
    assert.match(message, /^the layer sha256:[0-9a-f]{64} of .* has the digest sha256:/);
  });
});
