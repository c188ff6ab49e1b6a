import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeYaml } from '../../../core/config/decode.ts';
import { resourceKey } from '../../../core/config/resource.ts';
import { pluginNamed } from '../../../core/snapshot/plugins.ts';
import { policiesIn } from '../../../core/snapshot/policies.ts';

function used(yaml: string) {
  const { resources, problems } = decodeYaml(yaml);
  assert.deepEqual(problems, []);
  const policies = policiesIn(new Map(resources.map((resource) => [resourceKey(resource), resource])));
  return pluginNamed(policies, 'default', 'p')!;
}

const DIGEST = `sha256:${'a'.repeat(64)}`;

test('a WasmPlugin is what Istio makes of it', () => {
  const { config, type, phase, priority, capabilities } = used(`
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: p, annotations: {weft.dev/module-digest: "${DIGEST}"}}
spec:
  url: oci://example.com/p:1
  pluginName: root
  pluginConfig: {a: 1}
  phase: AUTHZ
  priority: 7
  failStrategy: FAIL_OPEN
  type: NETWORK`);
  assert.deepEqual([type, phase, priority, capabilities], ['network', 'AUTHZ', 7, null]);
  const { digest, rootId, failStrategy, mayCall } = config;
  assert.deepEqual([digest, rootId, failStrategy, mayCall], [DIGEST, 'root', 'FAIL_OPEN', null]);
  assert.equal(Buffer.from(config.configuration).toString(), '{"a":1}');
});

test('variables of the proxy reach a plugin only when they are listed', (t) => {
  Object.assign(process.env, { WEFT_PLUGIN_ENV: 'LISTED, OTHER', LISTED: 'yes', SECRET: 'no' });
  t.after(() => {
    for (const name of ['WEFT_PLUGIN_ENV', 'LISTED', 'SECRET']) delete process.env[name];
  });
  const { config } = used(`
apiVersion: extensions.istio.io/v1alpha1
kind: WasmPlugin
metadata: {name: p}
spec:
  url: oci://example.com/p:1
  vmConfig:
    env:
    - {name: A, value: given}
    - {name: LISTED, valueFrom: HOST}
    - {name: SECRET, valueFrom: HOST}
    - {name: OTHER, valueFrom: HOST}`);
  assert.deepEqual(config.env, { A: 'given', LISTED: 'yes' });
});

test('a Plugin may call nobody unless its upstreams say so, and brings its limits', () => {
  const plugin = (more: string) =>
    used(`apiVersion: weft.dev/v1\nkind: Plugin\nmetadata: {name: p}\nspec: {digest: "${DIGEST}"${more}}`).config;
  assert.deepEqual(plugin('').mayCall, []);
  assert.deepEqual(plugin(', upstreams: [auth]').mayCall, ['auth']);
  assert.deepEqual(plugin('').limits, { memoryPages: 512, fuelPerCallback: null });
  assert.deepEqual(plugin(', limits: {memoryMiB: 2, fuelPerCallback: 9}').limits, {
    memoryPages: 32,
    fuelPerCallback: 9,
  });
});

test('a Plugin is given its configuration as JSON, or the text as it is, and the virtual machine that it names', () => {
  const plugin = (more: string) =>
    used(`apiVersion: weft.dev/v1\nkind: Plugin\nmetadata: {name: p}\nspec: {digest: "${DIGEST}"${more}}`).config;
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
  assert.equal(text(plugin(', config: {a: [1]}').configuration), '{"a":[1]}');
  assert.equal(
    text(plugin(', config: "SecRuleEngine On\\nSecRule ARGS"').configuration),
    'SecRuleEngine On\nSecRule ARGS',
  );
  assert.equal(text(plugin('').configuration), '');
  assert.equal(plugin('').vmId, 'Plugin/default/p');
  assert.equal(plugin(', vmId: workers').vmId, 'workers');
});
