import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HTTPMatchRequest } from '../../../core/config/kinds/virtual-service.ts';
import { Head } from '../../../core/http/head.ts';
import { compileMatch } from '../../../core/router/match.ts';

/** A head as the codec makes it: path and fields as spans over bytes. */
function received(path: string, fields: readonly (readonly [string, string])[] = [], method = 'GET'): Head {
  const spans: number[] = [];
  let text = path;
  for (const [name, value] of fields) {
    spans.push(text.length, name.length, text.length + name.length + 2, value.length);
    text += `${name}: ${value}`;
  }
  const head = new Head(Buffer.from(text, 'latin1'), spans);
  head.method = method;
  head.pathLength = path.length;
  head.newAuthority = 'reviews:9080';
  return head;
}

const jason = [['End-User', 'jason']] as const;
const CASES: readonly (readonly [string, HTTPMatchRequest, Head, number])[] = [
  ['an exact path', { uri: { exact: '/login' } }, received('/login'), 6],
  ['an exact path with a query', { uri: { exact: '/login' } }, received('/login?a=1'), 6],
  ['not a longer path', { uri: { exact: '/login' } }, received('/login2'), -1],
  ['a prefix', { uri: { prefix: '/static' } }, received('/static/x.css'), 7],
  ['not a shorter path', { uri: { prefix: '/static' } }, received('/stat'), -1],
  ['a regex against the whole path', { uri: { regex: '/v[0-9]+' } }, received('/v12?x'), 4],
  ['not a part by regex', { uri: { regex: '/v[0-9]+' } }, received('/v12/x'), -1],
  ['a path in any case', { uri: { prefix: '/API' }, ignoreUriCase: true }, received('/api/x'), 4],
  ['a path that is written otherwise', { uri: { exact: '/x%2fy/./%61' } }, received('/x%2Fy/a'), 8],
  ['a prefix with escapes', { uri: { prefix: '/x%2fy' } }, received('/x%2Fy/z'), 6],
  ['a path of other letters than ASCII', { uri: { exact: '/caf\u00e9' } }, received('/caf%C3%A9'), 10],
  ['escapes in any case', { uri: { exact: '/X%2fy' }, ignoreUriCase: true }, received('/x%2Fy'), 6],
  ['a path among the headers', { headers: { ':path': { exact: '/x%2fy?a' } } }, received('/x%2Fy?a'), 0],
  ['a header in any case of its name', { headers: { 'end-user': { exact: 'jason' } } }, received('/', jason), 0],
  ['not without the header', { headers: { 'end-user': { exact: 'jason' } } }, received('/'), -1],
  ['a header that is there', { headers: { 'end-user': {} } }, received('/', jason), 0],
  ['not where a header is excluded', { withoutHeaders: { 'end-user': { exact: 'jason' } } }, received('/', jason), -1],
  ['where an excluded header is absent', { withoutHeaders: { 'end-user': { exact: 'jason' } } }, received('/'), 0],
  ['a method', { method: { exact: 'GET' } }, received('/'), 0],
  ['not another method', { method: { exact: 'GET' } }, received('/', [], 'POST'), -1],
  ['an authority', { authority: { prefix: 'reviews' } }, received('/'), 0],
  ['a query parameter', { queryParams: { v: { exact: '2' } } }, received('/?a=1&v=2'), 0],
  ['not another parameter', { queryParams: { v: { exact: '2' } } }, received('/?v=3'), -1],
  [
    'all conditions together',
    { uri: { prefix: '/' }, headers: { 'end-user': { exact: 'jason' } } },
    received('/a', jason),
    1,
  ],
  [
    'not when one fails',
    { uri: { prefix: '/b' }, headers: { 'end-user': { exact: 'jason' } } },
    received('/a', jason),
    -1,
  ],
  [
    'repeated fields joined',
    { headers: { a: { exact: '1,2' } } },
    received('/', [
      ['a', '1'],
      ['A', '2'],
    ]),
    0,
  ],
];

for (const [title, match, head, covered] of CASES) {
  test(`a match covers ${title}`, () => {
    assert.equal(compileMatch(match).match(head, null), covered);
  });
}

test('a backtracking regex does not block', () => {
  const matcher = compileMatch({ uri: { regex: '/(a+)+b' } });
  assert.equal(matcher.match(received(`/${'a'.repeat(5000)}`), null), -1);
});

test('a rewritten path is what is matched', () => {
  const head = received('/old');
  head.newPath = '/new/x';
  assert.equal(compileMatch({ uri: { prefix: '/new' } }).match(head, null), 4);
});
