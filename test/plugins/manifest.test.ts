import assert from 'node:assert/strict';
import { suite, test } from 'node:test';

import { decodeManifest, ManifestError, resourceName } from '../../plugins/manifest.ts';

const decode = (plugin: unknown) => decodeManifest({ name: 'mesh-plugin-x', mesh: { plugin } });

suite('the manifest of a plugin', () => {
  test('everything that it can say is read', () => {
    const said = {
      name: 'jwt',
      wasm: 'build/release.wasm',
      schema: 'schema.json',
      rootId: 'jwt',
      type: 'http',
      phase: 'AUTHN',
      priority: -3,
      mode: 'CLIENT_AND_SERVER',
      capabilities: ['http_call', 'log'],
      upstreams: ['keys.default'],
      isolation: 'pool',
      failStrategy: 'FAIL_OPEN',
      defaultConfig: { issuer: 'me' },
    };
    assert.deepEqual(decode(said), said);
  });

  test('the path of the module is enough', () => {
    const { wasm, ...others } = decode({ wasm: './a.wasm' });
    assert.equal(wasm, 'a.wasm');
    assert.deepEqual(
      Object.values(others).filter((value) => value !== undefined),
      [],
    );
  });

  const refusals: readonly (readonly [string, unknown, RegExp])[] = [
    ['a package without it', {}, /package.json has no field "mesh": this is no plugin/],
    [
      'a misspelt field',
      { mesh: { plugin: { wasm: 'a', capabilites: [] } } },
      /mesh\.plugin has no field "capabilites"/,
    ],
    ['a field beside plugin', { mesh: { plugins: {} } }, /mesh has no field "plugins"; it has plugin/],
    ['no module', { mesh: { plugin: {} } }, /mesh\.plugin\.wasm is missing/],
    ['a path out of the package', { mesh: { plugin: { wasm: '../a.wasm' } } }, /mesh\.plugin\.wasm must be the path/],
    ['an absolute path', { mesh: { plugin: { wasm: 'a', schema: '/etc/passwd' } } }, /schema must be the path/],
    [
      'a type that is none',
      { mesh: { plugin: { wasm: 'a', type: 'HTTP' } } },
      /type must be http or network or service/,
    ],
    ['capabilities that are no list', { mesh: { plugin: { wasm: 'a', capabilities: 'log' } } }, /must be a list/],
    ['a capability that is no string', { mesh: { plugin: { wasm: 'a', capabilities: [1] } } }, /capabilities\[0\]/],
    [
      'a configuration that is no object',
      { mesh: { plugin: { wasm: 'a', defaultConfig: [] } } },
      /must be an object or a text/,
    ],
    ['a name that no resource can have', { mesh: { plugin: { wasm: 'a', name: 'A b' } } }, /mesh\.plugin\.name/],
    ['a package.json that is a list', [], /holds no object/],
  ];
  for (const [what, packageJson, reason] of refusals) {
    test(`${what} is refused in one line`, () => {
      assert.throws(
        () => decodeManifest(packageJson),
        (error) => error instanceof ManifestError && reason.test(error.message) && !error.message.includes('\n'),
      );
    });
  }

  test('a resource is called after its package', () => {
    const names = ['@weft-mesh/plugin-jwt', 'mesh-plugin-jwt', '@acme/jwt', '@acme/mesh-plugin-Rate.Limit', '___'];
    assert.deepEqual(names.map(resourceName), ['jwt', 'jwt', 'acme-jwt', 'acme-rate-limit', 'plugin']);
  });
});
