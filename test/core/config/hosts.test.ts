// Host names as Istio reads them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  fqdn,
  hostCovers,
  hostFault,
  hostForms,
  hostsOverlap,
  isIpOrCidr,
  serviceNames,
} from '../../../core/config/hosts.ts';

test("a short name belongs to the rule's namespace, everything else is taken as it is", () => {
  assert.equal(fqdn('reviews', 'shop'), 'reviews.shop.svc.cluster.local');
  assert.equal(fqdn('Reviews', 'shop', 'mesh.local'), 'reviews.shop.svc.mesh.local');
  assert.equal(fqdn('reviews.default', 'shop'), 'reviews.default');
  assert.equal(fqdn('reviews.default.svc.cluster.local', 'shop'), 'reviews.default.svc.cluster.local');
  assert.equal(fqdn('*', 'shop'), '*');
  assert.equal(fqdn('*.com', 'shop'), '*.com');
  assert.equal(fqdn('10.0.0.1', 'shop'), '10.0.0.1');
  assert.equal(fqdn('::1', 'shop'), '::1');
});

test('a service of the cluster also answers to its partly written names', () => {
  assert.deepEqual(hostForms('reviews.default', 'shop'), ['reviews.default', 'reviews.default.svc.cluster.local']);
  assert.deepEqual(hostForms('reviews.default.svc', 'shop'), [
    'reviews.default.svc',
    'reviews.default.svc.cluster.local',
  ]);
  assert.deepEqual(hostForms('reviews', 'shop'), ['reviews.shop.svc.cluster.local']);
  assert.deepEqual(hostForms('www.example.com', 'shop'), ['www.example.com']);
  assert.deepEqual(hostForms('10.0.0.1', 'shop'), ['10.0.0.1']);
  assert.deepEqual(serviceNames('reviews', 'shop'), [
    'reviews.shop.svc.cluster.local',
    'reviews.shop.svc',
    'reviews.shop',
    'reviews',
  ]);
});

test('a wildcard stands for at least one character and covers narrower wildcards', () => {
  for (const [pattern, host, covers] of [
    ['*', 'a', true],
    ['*', '*', true],
    ['*.a.com', 'x.a.com', true],
    ['*.a.com', 'x.y.a.com', true],
    ['*.a.com', 'a.com', false],
    ['*.a.com', '*.x.a.com', true],
    ['*.x.a.com', '*.a.com', false],
    ['*.a.com', '*', false],
    ['*.A.com', 'X.a.COM', true],
    ['a.com', 'A.com', true],
    ['a.com', '*.com', false],
    ['*-b.com', 'a-b.com', true],
  ] as const) {
    assert.equal(hostCovers(pattern, host), covers, `${pattern} ${host}`);
  }
  assert.equal(hostsOverlap('*.a.com', '*'), true);
  assert.equal(hostsOverlap('a.com', 'b.com'), false);
});

test('host names are told from what is none', () => {
  for (const host of ['a', 'a.b', '10.0.0.1', '::1', 'a.com.', 'A-1.b', '1.b']) {
    assert.equal(hostFault(host, { wildcard: false }), null, host);
  }
  for (const host of [
    '',
    'a b',
    '-a',
    'a..b',
    'a/b',
    'a:80',
    'http://a',
    '*',
    '*.a',
    'a'.repeat(64),
    'under_score.com',
    'a.1',
    '1.2.3.400',
    `${'a.'.repeat(200)}a`,
  ]) {
    assert.notEqual(hostFault(host, { wildcard: false }), null, host);
  }
  for (const host of ['*', '*.a.com', '*-x.a.com', '*x.com'])
    assert.equal(hostFault(host, { wildcard: true }), null, host);
  for (const host of ['a.*', '**', '*.*.com', 'a*.com'])
    assert.notEqual(hostFault(host, { wildcard: true }), null, host);
});

test('addresses and blocks are told from what is none', () => {
  for (const text of ['10.0.0.1', '10.0.0.0/8', '::1', 'fe80::/10', '0.0.0.0/0'])
    assert.equal(isIpOrCidr(text), true, text);
  for (const text of [
    '',
    '10.0.0',
    '10.0.0.0/33',
    '::/129',
    '10.0.0.0/',
    '/8',
    'a/8',
    '10.0.0.0/8/8',
    'fe80::1%eth0',
  ]) {
    assert.equal(isIpOrCidr(text), false, text);
  }
});
