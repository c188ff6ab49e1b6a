import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { authorizationConfig } from '../../core/builtins/rbac/rbac.ts';
import type { AuthorizationPolicySpec } from '../../core/config/kinds/authorization-policy.ts';
import { Head } from '../../core/http/head.ts';
import type { Node } from '../../core/workload.ts';
import { NODE, plain, TestStream } from '../core/wasm/harness.ts';
import { decide, matched, NONE, type Policy, policy, rbac, runtime } from './authorization.ts';

describe('which policies decide', () => {
  test('no policy at all needs no filter', () => {
    assert.equal(decide([]), 'no filter');
  });

  test('an ALLOW policy without rules allows nothing', () => {
    assert.equal(decide([policy('allow-nothing', {})]), NONE);
  });

  test('an ALLOW policy with an empty rule allows everything', () => {
    assert.equal(decide([policy('allow-all', { rules: [{}] })]), 'allowed');
  });

  test('a DENY policy with an empty rule denies everything, and is named', () => {
    assert.equal(decide([policy('deny-all', { action: 'DENY', rules: [{}] })]), matched('deny-all'));
  });

  test('with DENY policies only, what they do not match is allowed', () => {
    const deny = policy('no-post', { action: 'DENY', rules: [{ to: [{ operation: { methods: ['POST'] } }] }] });
    assert.equal(decide([deny], { method: 'GET' }), 'allowed');
    assert.equal(decide([deny], { method: 'POST' }), matched('no-post'));
  });

  test('a denial wins over an ALLOW that matches as well', () => {
    const all = policy('allow-all', { rules: [{}] });
    const deny = policy('no-post', { action: 'DENY', rules: [{ to: [{ operation: { methods: ['POST'] } }] }] });
    assert.equal(decide([all, deny], { method: 'POST' }), matched('no-post'));
    assert.equal(decide([all, deny], { method: 'GET' }), 'allowed');
  });

  test('one matching ALLOW among several is enough', () => {
    const nothing = policy('allow-nothing', {});
    const get = policy('get', { rules: [{ to: [{ operation: { methods: ['GET'] } }] }] });
    assert.equal(decide([nothing, get], { method: 'GET' }), 'allowed');
    assert.equal(decide([nothing, get], { method: 'PUT' }), NONE);
  });

  test('the rule that matched is counted from 0', () => {
    const rules = [{ to: [{ operation: { methods: ['PUT'] } }] }, { to: [{ operation: { methods: ['POST'] } }] }];
    assert.equal(decide([policy('w', { action: 'DENY', rules })], { method: 'POST' }), matched('w', 1));
  });

  test('of two matching denials the one first by name is reported, whatever the order of their arrival', () => {
    const a = policy('a', { action: 'DENY', rules: [{}] });
    const b = policy('b', { action: 'DENY', rules: [{}] });
    assert.equal(decide([b, a]), matched('a'));
    assert.equal(decide([a, b]), matched('a'));
  });

  test('AUDIT and dry-run policies decide nothing', () => {
    const audit = policy('audit', { action: 'AUDIT', rules: [{}] });
    const dry = policy('dry', { action: 'DENY', rules: [{}] }, { annotations: { 'istio.io/dry-run': 'true' } });
    assert.equal(decide([audit, dry]), 'allowed');
  });

  test('what a CUSTOM policy matches is denied, because its provider cannot be asked', () => {
    const custom = policy('ext', {
      action: 'CUSTOM',
      provider: { name: 'opa' },
      rules: [{ to: [{ operation: { paths: ['/admin*'] } }] }],
    });
    assert.equal(decide([custom], { path: '/admin/x' }), matched('ext'));
    assert.equal(decide([custom], { path: '/' }), 'allowed');
  });

  test('a gRPC call is denied with the status PERMISSION_DENIED', () => {
    const factory = rbac(runtime, authorizationConfig([policy('allow-nothing', {})], NODE)!);
    const head = Head.request('POST', 'reviews', '/pkg.S/M', [['content-type', 'application/grpc+proto']]);
    const stream = new TestStream(head);
    factory.open(stream, null).head('request', head, false);
    assert.equal(stream.replies[0].grpcStatus, 7);
  });
});

describe('which workloads a policy is for', () => {
  const deny = (name: string, spec: AuthorizationPolicySpec, namespace = 'default'): Policy =>
    policy(name, { action: 'DENY', rules: [{}], ...spec }, { namespace });

  test('those of its namespace', () => {
    assert.equal(decide([deny('x', {})]), matched('x'));
    assert.equal(decide([deny('x', {}, 'other')]), 'no filter');
  });

  test('in the root namespace: the whole mesh, narrowed by its selector', () => {
    assert.equal(decide([deny('mesh', {}, 'istio-system')]), matched('mesh', 0, 'istio-system'));
    const other = { selector: { matchLabels: { app: 'ratings' } } };
    assert.equal(decide([deny('mesh', other, 'istio-system')]), 'no filter');
  });

  test('those that have every selected label', () => {
    const both = { selector: { matchLabels: { app: 'reviews', version: 'v1' } } };
    const wrong = { selector: { matchLabels: { app: 'reviews', version: 'v2' } } };
    assert.equal(decide([deny('x', both)]), matched('x'));
    assert.equal(decide([deny('x', wrong)]), 'no filter');
  });

  test('the gateway that a target reference names, and no sidecar', () => {
    const spec: AuthorizationPolicySpec = {
      targetRefs: [{ kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'bookinfo-gateway' }],
    };
    const gateway: Node = { ...NODE, role: 'gateway', workload: 'bookinfo-gateway', app: null };
    assert.equal(decide([deny('x', spec)]), 'no filter');
    assert.equal(decide([deny('x', spec)], {}, gateway), matched('x'));
    assert.equal(decide([deny('x', spec)], {}, { ...gateway, workload: 'other' }), 'no filter');
  });

  test('the workloads of a Service that a target reference names', () => {
    assert.equal(decide([deny('x', { targetRefs: [{ kind: 'Service', name: 'reviews' }] })]), matched('x'));
    assert.equal(decide([deny('x', { targetRefs: [{ kind: 'Service', name: 'ratings' }] })]), 'no filter');
    assert.equal(decide([deny('x', { targetRef: { kind: 'Service', name: 'review' } })]), 'no filter');
    assert.equal(decide([deny('x', { targetRef: { kind: 'Service', name: 'review' }, targetRefs: [] })]), 'no filter');
  });
});

test('a configuration of another version is refused in one line', () => {
  assert.throws(
    () => rbac(runtime, plain(Buffer.from([9, 0, 0, 0, 0, 0]))),
    /plugin rbac: refused its configuration: the configuration is of another version/,
  );
});
