import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { findPlugin } from '../../../plugins/source/find.ts';
import type { FoundPlugin } from '../../../plugins/source/package.ts';
import { StepFailed } from '../../../plugins/step.ts';
import type { TrustPolicy } from '../../../plugins/trust/verify.ts';
import { mesh } from '../in-process.ts';
import { Running, temporaryHome } from '../mesh.ts';
import { packageFolder, packFolder } from './packages.ts';
import { Registry } from './registry.ts';

const { home, remove } = temporaryHome();
const work = join(home, 'work');
const registry = new Registry();
const told: string[] = [];

/** Fetches and verifies, as every command does that installs. */
function find(spec: string, mode: TrustPolicy['mode']): Promise<FoundPlugin> {
  told.length = 0;
  const policy = { mode, sources: [] };
  return findPlugin(spec, { policy, folder: work, tell: (step, what) => told.push(`${step}: ${what}`) });
}

async function failure(spec: string, mode: TrustPolicy['mode'] = 'warn'): Promise<StepFailed> {
  try {
    await find(spec, mode);
  } catch (error) {
    if (error instanceof StepFailed) return error;
    throw error;
  }
  throw new Error(`${spec} was found`);
}

function npmrc(...lines: readonly string[]): void {
  const settings = [
    'fetch-retries=1',
    'fetch-retry-mintimeout=1',
    'fetch-retry-maxtimeout=2',
    `cache=${join(home, 'npm')}`,
  ];
  writeFileSync(join(work, '.npmrc'), [`registry=${registry.url}`, ...settings, ...lines].join('\n'));
}

before(async () => {
  mkdirSync(work);
  await registry.start();
  npmrc();
});
after(async () => {
  await registry.stop();
  remove();
});

suite('names of plugins', () => {
  test('a bare name is of the official scope, a version or a range of it is found', async () => {
    await registry.publish({ name: '@weft-mesh/plugin-jwt', version: '1.2.0' });
    await registry.publish({ name: '@weft-mesh/plugin-jwt', version: '1.3.0' });
    await registry.publish({ name: '@weft-mesh/plugin-jwt', version: '2.0.0' });
    const versions = await Promise.all(['jwt', 'jwt@^1.2', 'jwt@1.2.0'].map((spec) => find(spec, 'warn')));
    assert.deepEqual(
      versions.map(({ plugin }) => plugin.version),
      ['2.0.0', '1.3.0', '1.2.0'],
    );
    const { source, integrity, resolved } = versions[0].origin;
    assert.equal(source, 'npm:@weft-mesh/plugin-jwt@2.0.0');
    assert.match(integrity ?? '', /^sha512-/);
    assert.ok(resolved?.startsWith(registry.url));
  });

  test('a package without a scope is named as a candidate, and found by its full name alone', async () => {
    await registry.publish({ name: 'mesh-plugin-waf' });
    const { step, fault, message } = await failure('waf');
    assert.deepEqual([step, fault], ['resolve', 'missing']);
    assert.equal(
      message,
      'there is no official plugin "waf" (@weft-mesh/plugin-waf); mesh-plugin-waf@1.0.0 is of somebody else: ' +
        'to install it, give its full name, mesh-plugin-waf',
    );
    assert.equal((await find('mesh-plugin-waf', 'warn')).plugin.name, 'mesh-plugin-waf');
    assert.equal((await find('npm:mesh-plugin-waf@1', 'warn')).plugin.name, 'mesh-plugin-waf');
  });

  test('a scoped name is that package, from the registry of its scope', async () => {
    const other = new Registry();
    await other.start();
    await other.publish({ name: '@acme/geo', version: '0.1.0' });
    npmrc(`@acme:registry=${other.url}`);
    assert.equal((await find('@acme/geo', 'warn')).origin.source, 'npm:@acme/geo@0.1.0');
    npmrc();
    await other.stop();
  });

  test('what is not there is told as missing, with what is there', async () => {
    assert.match(
      (await failure('nothing')).message,
      /^there is no official plugin "nothing" \(@weft-mesh\/plugin-nothing\)$/,
    );
    assert.match((await failure('@acme/none')).message, /^there is no package @acme\/none in http/);
    const { message, fault } = await failure('jwt@^9');
    assert.equal(fault, 'missing');
    assert.match(message, /has no version \^9 in .*; the newest are 1\.2\.0, 1\.3\.0, 2\.0\.0$/);
  });

  test('the credentials of .npmrc are sent to their registry', async () => {
    npmrc(`//${new URL(registry.url).host}/:_authToken=\${TOKEN_OF_TEST}`);
    process.env.TOKEN_OF_TEST = 'secret';
    try {
      await find('jwt', 'warn');
    } finally {
      delete process.env.TOKEN_OF_TEST;
      npmrc();
    }
    assert.equal(registry.authorizations.at(-1), 'Bearer secret');
  });
});

suite('a registry that does not answer is never one that has no such plugin', () => {
  test('5xx', async () => {
    registry.failing = 503;
    const { fault, message } = await failure('jwt');
    registry.failing = 0;
    assert.equal(fault, 'unreachable');
    assert.match(message, /answers 503; whether @weft-mesh\/plugin-jwt is there is not known$/);
  });

  test('a candidate is not looked for, either', async () => {
    registry.failing = 500;
    const { message } = await failure('waf');
    registry.failing = 0;
    assert.doesNotMatch(message, /candidate|no official/);
  });

  test('slow', async () => {
    npmrc('fetch-timeout=300', 'fetch-retries=0');
    registry.silent = true;
    const { fault, message } = await failure('jwt');
    registry.speak();
    npmrc();
    assert.equal(fault, 'unreachable');
    assert.match(message, /does not answer: .*timeout/i);
  });

  test('down', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    server.close();
    await once(server, 'close');
    npmrc(`registry=http://127.0.0.1:${port}/`);
    const { fault, message } = await failure('jwt');
    npmrc();
    assert.equal(fault, 'unreachable');
    assert.match(message, /does not answer: .*ECONNREFUSED/);
  });

  test('refusing access', async () => {
    registry.failing = 401;
    const { fault, message } = await failure('jwt');
    registry.failing = 0;
    assert.equal(fault, 'unreachable');
    assert.match(message, /refuses access to @weft-mesh\/plugin-jwt \(401\): see \.npmrc$/);
  });
});

suite('what a registry vouches for', () => {
  test('a signature is verified and told', async () => {
    const { origin } = await find('jwt', 'warn');
    assert.equal(origin.signature, registry.keyid);
    assert.match(told.join('\n'), /^verify: integrity; signature \(SHA256:.*\); no provenance: /m);
  });

  test('a forged signature is refused, also where a missing one is not', async () => {
    await registry.publish({ name: '@weft-mesh/plugin-forged' });
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const dist = registry.dist('@weft-mesh/plugin-forged');
    const message = Buffer.from(`@weft-mesh/plugin-forged@1.0.0:${dist.integrity}`);
    dist.signatures = [{ keyid: registry.keyid, sig: sign('sha256', message, privateKey).toString('base64') }];
    for (const mode of ['warn', 'enforce'] as const) {
      const { step, fault, message: why } = await failure('forged', mode);
      assert.deepEqual([step, fault], ['verify', 'refused']);
      assert.equal(why, 'the signature of @weft-mesh/plugin-forged@1.0.0 is forged');
    }
    assert.ok(await find('forged', 'off'));
  });

  test('a signature of another package, of an unknown or of an expired key is refused', async () => {
    await registry.publish({ name: '@weft-mesh/plugin-borrowed' });
    const dist = registry.dist('@weft-mesh/plugin-borrowed');
    const [own] = dist.signatures!;
    dist.signatures = registry.dist('@weft-mesh/plugin-jwt', '2.0.0').signatures;
    assert.match((await failure('borrowed')).message, /is forged$/);
    dist.signatures = [{ ...own, keyid: 'SHA256:other' }];
    assert.match((await failure('borrowed')).message, /of a key that the registry does not publish \(SHA256:other\)$/);
    dist.signatures = [own];
    registry.keyExpires = '2025-01-01T00:00:00.000Z';
    assert.match((await failure('borrowed')).message, /of a key that had expired/);
    registry.keyExpires = null;
    assert.ok(await find('borrowed', 'warn'));
  });

  test('a missing signature is refused by enforce, told by warn, and nothing to off', async () => {
    await registry.publish({ name: '@weft-mesh/plugin-unsigned' }, { signed: false });
    const { step, message } = await failure('unsigned', 'enforce');
    assert.equal(step, 'verify');
    assert.equal(message, 'the registry has not signed @weft-mesh/plugin-unsigned@1.0.0, and the policy is enforce');
    await find('unsigned', 'warn');
    assert.match(told.join('\n'), /no signature: the registry has not signed/);
    await find('unsigned', 'off');
    assert.match(told.join('\n'), /verify: integrity \(signature and provenance are not checked\)/);
  });

  test('a signature that cannot be checked, for the registry publishes no keys, counts as a missing one', async () => {
    registry.keys = false;
    await find('jwt', 'warn');
    const { message } = await failure('jwt', 'enforce');
    registry.keys = true;
    assert.match(told.join('\n') + message, /publishes no keys for its signature/);
  });

  test('a tarball that is not the described one is refused under every policy', async () => {
    await registry.publish({ name: '@weft-mesh/plugin-tampered' });
    const other = await packFolder(packageFolder(join(home, 'other'), { name: '@weft-mesh/plugin-tampered' }));
    registry.tamper('@weft-mesh/plugin-tampered', '1.0.0', Buffer.concat([other, Buffer.from('x')]));
    for (const mode of ['off', 'warn', 'enforce'] as const) {
      const { step, fault, message } = await failure('tampered', mode);
      assert.deepEqual([step, fault], ['verify', 'refused']);
      assert.match(
        message,
        /^the tarball of @weft-mesh\/plugin-tampered@1\.0\.0 is not the one that the registry describes/,
      );
    }
  });

  test('a version that disappears between its description and its tarball is told as that', async () => {
    await registry.publish({ name: '@weft-mesh/plugin-lost' });
    registry.lose('@weft-mesh/plugin-lost');
    const { step, fault, message } = await failure('lost');
    assert.deepEqual([step, fault], ['fetch', 'missing']);
    assert.match(message, /^@weft-mesh\/plugin-lost@1\.0\.0 has disappeared/);
  });

  test('a tarball of another package under this name is refused', async () => {
    await registry.publish({ name: '@weft-mesh/plugin-mask' });
    const jwt = await registry.publish({ name: '@weft-mesh/plugin-face' });
    registry.tamper('@weft-mesh/plugin-mask', '1.0.0', jwt.tarball);
    const dist = registry.dist('@weft-mesh/plugin-mask');
    dist.integrity = jwt.integrity;
    delete dist.signatures;
    assert.match(
      (await failure('mask')).message,
      /^the tarball of @weft-mesh\/plugin-mask@1\.0\.0 is of @weft-mesh\/plugin-face@1\.0\.0$/,
    );
  });

  test('a description without a sha512 is not enough', async () => {
    await registry.publish({ name: '@weft-mesh/plugin-weak' });
    delete (registry.dist('@weft-mesh/plugin-weak') as { integrity?: string }).integrity;
    assert.match((await failure('weak')).message, /^the registry gives no sha512 integrity of/);
  });

  test('scripts of a package never run: one that has install scripts is refused', async () => {
    const evil = join(home, 'evil');
    await registry.publish({ name: '@weft-mesh/plugin-script', more: { scripts: { install: `touch ${evil}` } } });
    assert.match((await failure('script')).message, /it has the install script "install"/);
    assert.equal(existsSync(evil), false);
  });
});

test('mesh plugin install NAME takes it from the registry into the mesh, and the lockfile says all of it', async () => {
  const up = new Running(['up', '--port', '0'], { home });
  await up.ready;
  try {
    const args = ['plugin', 'install', 'jwt@^1', '--enable', '--yes', '--json'];
    const { code, out, err } = await mesh(args, { home, cwd: work });
    assert.equal(code, 0, err);
    const { name, version, digest, source } = JSON.parse(out);
    assert.deepEqual([name, version, source], ['jwt', '1.3.0', 'npm:@weft-mesh/plugin-jwt@1.3.0']);
    const { plugins } = JSON.parse(readFileSync(join(work, 'mesh-plugins.lock'), 'utf8'));
    const { spec, digest: lockedDigest, integrity, signature, resolved } = plugins['istio-system/jwt'];
    assert.deepEqual([spec, lockedDigest, signature], ['jwt@^1', digest, registry.keyid]);
    assert.ok(integrity.startsWith('sha512-') && resolved.startsWith(registry.url));

    registry.failing = 502;
    const down = await mesh(['plugin', 'install', 'jwt', '--yes'], { home, cwd: work });
    registry.failing = 0;
    assert.equal(down.code, 5);
    assert.match(down.err, /^mesh: resolve: .*answers 502; whether .* is not known; nothing was installed$/m);
    const candidate = await mesh(['plugin', 'install', 'waf', '--yes'], { home, cwd: work });
    assert.equal(candidate.code, 1);
    assert.match(candidate.err, /give its full name, mesh-plugin-waf; nothing was installed$/m);
  } finally {
    await up.stop();
  }
});
