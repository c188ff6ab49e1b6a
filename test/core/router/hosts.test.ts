import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HostTable, splitAuthority } from '../../../core/router/hosts.ts';
import type { VirtualHost } from '../../../core/router/route.ts';

const host = (name: string, domains: string[], port = 0): VirtualHost => ({
  name,
  domains,
  service: '',
  port,
  routes: [],
  asNamed: false,
  grpcWeb: false,
  unrouted: null,
});

function tableOf(hosts: readonly VirtualHost[], defaultPort: number): HostTable {
  const draft = new HostTable(defaultPort).edit();
  for (const [i, each] of hosts.entries()) draft.replace(null, { host: each, rank: String(i) });
  return draft.done();
}

const reviews = host('reviews', ['reviews', 'reviews.default.svc.cluster.local'], 9080);
const admin = host('reviews-admin', ['reviews', 'reviews.default.svc.cluster.local'], 9090);
const single = host('details', ['details'], 9080);
const wide = host('wide', ['*.example.com']);
const wider = host('wider', ['*.eu.example.com']);
const table = tableOf([reviews, admin, single, wide, wider], 80);

test('a host is found by its port, whatever its case', () => {
  assert.equal(table.find('reviews:9080'), reviews);
  assert.equal(table.find('REVIEWS:9090'), admin);
  assert.equal(table.find('reviews.default.svc.cluster.local:9080'), reviews);
});

test('an authority without a port reaches a service with one port, and no service with several', () => {
  assert.equal(table.find('details'), single);
  assert.equal(table.find('reviews'), null);
});

test('a port that the service does not have is no route', () => {
  assert.equal(table.find('details:1234'), null);
});

test('the longest wildcard wins and does not cover its own suffix', () => {
  assert.equal(table.find('a.example.com'), wide);
  assert.equal(table.find('a.eu.example.com:8080'), wider);
  assert.equal(table.find('.example.com'), null);
  assert.equal(table.find('example.com'), null);
});

test('a gateway answers for every host where a server says so', () => {
  const everything = host('all', ['*']);
  const gateway = tableOf([everything, wide], 8080);
  assert.equal(gateway.find('127.0.0.1:18080'), everything);
  assert.equal(gateway.find('a.example.com'), wide);
});

test('authorities are split at the port, and IPv6 keeps its brackets', () => {
  assert.deepEqual(splitAuthority('A.b:80'), { host: 'a.b', port: 80 });
  assert.deepEqual(splitAuthority('[::1]:80'), { host: '[::1]', port: 80 });
  assert.deepEqual(splitAuthority('[::1]'), { host: '[::1]', port: 0 });
});

test('a host that is known on another port falls under a wildcard that is known on this one', () => {
  const exact = host('exact', ['a.shop.test'], 8080);
  const wildcard = host('wildcard', ['*.shop.test'], 80);
  const farther = host('farther', ['*.test'], 81);
  const known = tableOf([exact, wildcard, farther], 80);
  assert.equal(known.find('a.shop.test:8080'), exact);
  assert.equal(known.find('a.shop.test:80'), wildcard);
  assert.equal(known.find('a.shop.test'), wildcard);
  assert.equal(known.find('a.shop.test:81'), farther);
  assert.equal(known.find('a.shop.test:82'), null);
});
