// Identities of the mesh's other trust domains through the real filter, and at connections that are no HTTP, as in Istio's task on the
// migration of a trust domain.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Policies } from '../../core/builtins/builtin.ts';
import { connectionAuthorization } from '../../core/builtins/rbac/rbac.ts';
import { decodeYaml } from '../../core/config/decode.ts';
import { isKind } from '../../core/config/is-kind.ts';
import type { Node } from '../../core/workload.ts';
import { NODE } from '../core/wasm/harness.ts';
import { decideYaml } from './authorization.ts';

const mesh = (aliases: string): string => `
---
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: default }
spec: { trustDomainAliases: ${aliases} }`;

const policy = (rule: string, action = 'ALLOW'): string => `
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: p }
spec: { action: ${action}, rules: [${rule}] }`;

const of = (domain: string, account = 'sleep', namespace = 'default'): string =>
  `${domain}/ns/${namespace}/sa/${account}`;
const from = (source: string): string => `{ from: [{ source: { ${source} } }] }`;
const when = (condition: string): string => `{ when: [{ key: ${condition} }] }`;

/** Of these trust domains, those whose account 'sleep' is let in. */
function letIn(yaml: string, domains: readonly string[], node: Node = NODE): string[] {
  return domains.filter((domain) => decideYaml(yaml, { principal: of(domain) }, node) === 'allowed');
}

const DOMAINS = ['cluster.local', 'old-td', 'new-td', 'foreign'];
const ALIASES = mesh('[old-td, new-td]');

test('a principal of one trust domain of the mesh is the same account in each of them', () => {
  for (const domain of ['cluster.local', 'old-td', 'new-td', 'spiffe://old-td']) {
    const rule = from(`principals: ["${of(domain)}"]`);
    assert.deepEqual(letIn(ALIASES + policy(rule), DOMAINS), ['cluster.local', 'old-td', 'new-td'], domain);
    assert.deepEqual(letIn(ALIASES + policy(rule, 'DENY'), DOMAINS), ['foreign'], domain);
  }
  const condition = when(`source.principal, values: ["${of('old-td')}"]`);
  assert.deepEqual(letIn(ALIASES + policy(condition), DOMAINS), ['cluster.local', 'old-td', 'new-td']);
  const others = from(`notPrincipals: ["${of('cluster.local')}"]`);
  assert.deepEqual(letIn(ALIASES + policy(others), DOMAINS), ['foreign']);
  // It is the account that is the same, and nobody else of there.
  const rule = policy(from(`principals: ["${of('cluster.local')}"]`));
  for (const principal of [of('old-td', 'other'), of('old-td', 'sleep', 'other')]) {
    assert.notEqual(decideYaml(ALIASES + rule, { principal }), 'allowed', principal);
  }
});

test('a trust domain that the mesh does not have is only itself, and so is each where no alias is named', () => {
  const foreign = policy(from(`principals: ["${of('foreign')}"]`));
  assert.deepEqual(letIn(ALIASES + foreign, DOMAINS), ['foreign']);
  const own = policy(from(`principals: ["${of('cluster.local')}"]`));
  assert.deepEqual(letIn(mesh('[]') + own, DOMAINS), ['cluster.local']);
  assert.deepEqual(letIn(own, DOMAINS), ['cluster.local']);
});

test('patterns stay what they are: at the trust domain it stands beside the others, and shorter ones name none', () => {
  const rows: readonly (readonly [principal: string, allowed: readonly string[]])[] = [
    ['*/ns/default/sa/sleep', DOMAINS],
    ['*', DOMAINS],
    ['*-td/ns/default/sa/sleep', ['cluster.local', 'old-td', 'new-td']],
    ['*.local/ns/default/sa/sleep', ['cluster.local', 'old-td', 'new-td']],
    ['*eign/ns/default/sa/sleep', ['foreign']],
    ['old-td/ns/default/sa/*', ['cluster.local', 'old-td', 'new-td']],
    ['old-td/ns/default/*', ['old-td']],
    ['cluster.local/*', ['cluster.local']],
  ];
  for (const [principal, allowed] of rows) {
    const rule = policy(from(`principals: ["${principal}"]`));
    assert.deepEqual(letIn(ALIASES + rule, DOMAINS), allowed, principal);
  }
});

test('cluster.local stands for the own trust domain of a mesh and its aliases', () => {
  const node = { ...NODE, trustDomain: 'new-td' };
  const rule = policy(from(`principals: ["${of('cluster.local')}"]`));
  assert.deepEqual(letIn(mesh('[old-td]') + rule, DOMAINS, node), ['old-td', 'new-td']);
});

test('a rule about one trust domain of the mesh is about each', () => {
  for (const rule of [from('trustDomains: [old-td]'), when('source.trustDomain, values: [cluster.local]')]) {
    assert.deepEqual(letIn(ALIASES + policy(rule), DOMAINS), ['cluster.local', 'old-td', 'new-td'], rule);
  }
  for (const rule of [from('notTrustDomains: [old-td]'), when('source.trustDomain, notValues: [cluster.local]')]) {
    assert.deepEqual(letIn(ALIASES + policy(rule), DOMAINS), ['foreign'], rule);
  }
  assert.deepEqual(letIn(ALIASES + policy(from('trustDomains: [foreign]')), DOMAINS), ['foreign']);
});

test('users of roles are the same account in each trust domain, too', () => {
  const roles = `
---
apiVersion: rbac.istio.io/v1alpha1
kind: ClusterRbacConfig
metadata: { name: default }
spec: { mode: "ON" }
---
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRole
metadata: { name: viewer }
spec: { rules: [{ services: ["*"] }] }
---
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRoleBinding
metadata: { name: bind }
spec: { subjects: [{ user: "${of('cluster.local')}" }], roleRef: { kind: ServiceRole, name: viewer } }`;
  assert.deepEqual(letIn(ALIASES + roles, DOMAINS), ['cluster.local', 'old-td', 'new-td']);
});

test('connections that are no HTTP are decided alike', () => {
  const { resources } = decodeYaml(ALIASES + policy(from(`principals: ["${of('cluster.local')}"]`)));
  const policies: Policies = (kind) => resources.filter((resource) => isKind(resource, kind)) as never;
  const { admission } = connectionAuthorization(policies, NODE);
  const where = { remoteAddress: '127.0.0.2', localAddress: '127.0.0.1', port: 9000, serverName: '' };
  const allowed = DOMAINS.filter((domain) => admission!({ ...where, principal: of(domain) }) === null);
  assert.deepEqual(allowed, ['cluster.local', 'old-td', 'new-td']);
});
