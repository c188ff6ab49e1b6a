import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PASSTHROUGH_RETRIES } from '../../../core/builtins/retry/policy.ts';
import type { HTTPMatchRequest } from '../../../core/config/kinds/virtual-service.ts';
import { EMPTY_CHAIN } from '../../../core/exchange/filter-chain.ts';
import { Head } from '../../../core/http/head.ts';
import { compileMatch } from '../../../core/router/match.ts';
import { plainRoute } from '../../../core/router/plain-route.ts';
import type { Route, VirtualHost } from '../../../core/router/route.ts';
import { coveredBy, findRoute, RouteIndex } from '../../../core/router/route-index.ts';

function route(name: string, ...matches: HTTPMatchRequest[]): Route {
  const plain = plainRoute({ name, cluster: null, clusterName: name, chain: EMPTY_CHAIN, retry: PASSTHROUGH_RETRIES });
  return { ...plain, matches: matches.map(compileMatch) };
}

function host(routes: readonly Route[]): VirtualHost {
  return { name: 'any', domains: ['*'], service: '', port: 0, routes, asNamed: false, grpcWeb: false, unrouted: null };
}

function received(path: string): Head {
  const head = new Head(Buffer.from(path, 'latin1'));
  head.method = 'GET';
  head.pathLength = path.length;
  return head;
}

/** As it is without an index. */
function oneByOne(routes: readonly Route[], head: Head): { name: string | undefined; covered: number } {
  for (const candidate of routes) {
    const covered = coveredBy(candidate, head, null);
    if (covered >= 0) return { name: candidate.name, covered };
  }
  return { name: undefined, covered: -1 };
}

test('among many routes the first that matches wins, whatever it is found by', () => {
  const routes = [
    route('exact', { uri: { exact: '/a' } }),
    route('regex', { uri: { regex: '/b[0-9]+' } }),
    route('method', { uri: { prefix: '/a' }, method: { exact: 'POST' } }),
    route('any case', { uri: { prefix: '/C' }, ignoreUriCase: true }),
    route('two', { uri: { prefix: '/d/' } }, { uri: { exact: '/e' } }),
    route('not ascii', { uri: { prefix: '/é' } }),
    route('query', { queryParams: { q: { exact: '1' } } }),
    route('longer', { uri: { prefix: '/a/b/c' } }),
    route('shorter', { uri: { prefix: '/a/' } }),
    route('never', { uri: { prefix: '/a/b' } }),
    ...Array.from({ length: 40 }, (_, i) => route(`r${i}`, { uri: { prefix: `/r${i}` } })),
    route('rest', { uri: { prefix: '/' } }),
    route('behind the rest'),
  ];
  const paths = [
    '/a',
    '/a?x=/d/',
    '/b12',
    '/b',
    '/c/x',
    '/d/',
    '/d',
    '/e',
    '/e/',
    '/é/1',
    '/z?q=1',
    '/a/b/c/d',
    '/a/b',
  ];
  paths.push('/r1', '/r12', '/r39/x', '/r40', '/', '*', `/${'x'.repeat(5000)}`);
  const index = new RouteIndex(routes);
  for (const path of paths) {
    const matched = { covered: -1, claims: null };
    const found = index.find(received(path), matched);
    assert.deepEqual({ name: found?.name, covered: matched.covered }, oneByOne(routes, received(path)), path);
    assert.equal(findRoute(host(routes), received(path), matched), found);
  }
});

test('a path that a filter replaced is looked up as it is now', () => {
  const routes = Array.from({ length: 30 }, (_, i) => route(`r${i}`, { uri: { prefix: `/r${i}/` } }));
  const head = received('/r1/x');
  head.newPath = '/r29/y';
  assert.equal(findRoute(host(routes), head, { covered: 0, claims: null })?.name, 'r29');
  head.newPath = '/nowhere';
  assert.equal(findRoute(host(routes), head, { covered: 0, claims: null }), null);
});
