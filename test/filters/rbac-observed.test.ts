// What is evaluated and never enforced: dry runs and audits.

import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';

import type { AuthorizationPolicySpec } from '../../core/config/kinds/authorization-policy.ts';
import { counted, decide, lines, matched, NONE, type Policy, PRODUCTPAGE, policy } from './authorization.ts';

const COUNTERS = [
  'rbac.audited',
  'rbac.dry_run_deny.shadow_denied',
  'rbac.dry_run_deny.shadow_allowed',
  'rbac.dry_run_allow.shadow_denied',
  'rbac.dry_run_allow.shadow_allowed',
];

const POST: AuthorizationPolicySpec['rules'] = [{ to: [{ operation: { methods: ['POST'] } }] }];

function dryRun(name: string, spec: AuthorizationPolicySpec, value = 'true'): Policy {
  return policy(name, spec, { annotations: { 'istio.io/dry-run': value } });
}

/** What a call has added to the counters. */
function added(call: () => void): Record<string, number> {
  const before = COUNTERS.map(counted);
  call();
  const changes = COUNTERS.map((name, i) => [name, counted(name) - before[i]] as const);
  return Object.fromEntries(changes.filter(([, change]) => change > 0));
}

function told(): string[] {
  return lines.filter(({ level }) => level === 'info').map(({ message }) => message);
}

beforeEach(() => void lines.splice(0));

describe('a dry run', () => {
  test('of a denial is counted and told, and denies nothing', () => {
    const deny = dryRun('no-post', { action: 'DENY', rules: POST });
    assert.deepEqual(
      added(() => assert.equal(decide([deny], { method: 'POST', path: '/a?token=secret' }), 'allowed')),
      { 'rbac.dry_run_deny.shadow_denied': 1 },
    );
    assert.deepEqual(told(), [
      'rbac: dry run: ns[default]-policy[no-post]-rule[0] would deny POST /a from an unknown caller',
    ]);
    assert.deepEqual(
      added(() => assert.equal(decide([deny], { method: 'GET' }), 'allowed')),
      { 'rbac.dry_run_deny.shadow_allowed': 1 },
    );
    assert.equal(told().length, 1);
  });

  test('of an ALLOW is counted and told where it would not allow, and denies nothing', () => {
    const allow = dryRun('post', { rules: POST });
    assert.deepEqual(
      added(() => assert.equal(decide([allow], { principal: PRODUCTPAGE }), 'allowed')),
      { 'rbac.dry_run_allow.shadow_denied': 1 },
    );
    assert.deepEqual(told(), [`rbac: dry run: no policy would allow GET /reviews/0 from ${PRODUCTPAGE}`]);
    assert.deepEqual(
      added(() => assert.equal(decide([allow], { method: 'POST' }), 'allowed')),
      { 'rbac.dry_run_allow.shadow_allowed': 1 },
    );
  });

  test('changes nothing about what is enforced beside it', () => {
    const allowsAll = dryRun('all', { rules: [{}] });
    const deniesAll = dryRun('none', { action: 'DENY', rules: [{}] });
    const enforced = policy('nothing', {});
    assert.equal(decide([allowsAll, enforced]), NONE);
    assert.equal(decide([deniesAll, policy('any', { rules: [{}] })]), 'allowed');
    const denies = policy('no-post', { action: 'DENY', rules: POST });
    assert.equal(decide([allowsAll, denies], { method: 'POST' }), matched('no-post'));
  });

  test('is one when the annotation says a truth in any way that Go reads, and enforced when it says anything else', () => {
    const deny: AuthorizationPolicySpec = { action: 'DENY', rules: [{}] };
    for (const yes of ['true', 'TRUE', 'True', 't', 'T', '1'])
      assert.equal(decide([dryRun('d', deny, yes)]), 'allowed');
    for (const no of ['false', '0', '', 'yes', 'tRUE']) assert.equal(decide([dryRun('d', deny, no)]), matched('d'));
  });
});

describe('an AUDIT policy', () => {
  test('is counted and told where it matches, before anything is decided', () => {
    const audit = policy('log', { action: 'AUDIT', rules: POST });
    assert.deepEqual(
      added(() => assert.equal(decide([audit], { method: 'POST' }), 'allowed')),
      { 'rbac.audited': 1 },
    );
    assert.deepEqual(
      added(() => assert.equal(decide([audit, policy('nothing', {})], { method: 'POST' }), NONE)),
      { 'rbac.audited': 1 },
    );
    const line = 'rbac: audit: ns[default]-policy[log]-rule[0] matches POST /reviews/0 from an unknown caller';
    assert.deepEqual(told(), [line, line]);
    assert.deepEqual(
      added(() => decide([audit], { method: 'GET' })),
      {},
    );
  });
});
