import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Head } from '../../../core/http/head.ts';
import { normalizePath, normalRule } from '../../../core/http/path.ts';

function received(path: string, method = 'GET'): Head {
  const head = new Head(Buffer.from(path, 'latin1'));
  head.method = method;
  head.pathLength = head.bytes.length;
  return head;
}

const CASES: readonly (readonly [string, string])[] = [
  ['/', '/'],
  ['/productpage?u=normal', '/productpage?u=normal'],
  ['/a/b.html', '/a/b.html'],
  ['/a/../admin', '/admin'],
  ['/a/./b', '/a/b'],
  ['/../../etc/passwd', '/etc/passwd'],
  ['/a/b/..', '/a/'],
  ['/a/.', '/a/'],
  ['/..', '/'],
  ['/a\\..\\b', '/b'],
  ['/%61dmin', '/admin'],
  ['/a/%2e%2E/admin', '/admin'],
  ['/a%2Fb', '/a%2Fb'],
  ['/a%2fb', '/a%2Fb'],
  ['/caf%c3%a9', '/caf%C3%A9'],
  ['/a//b', '/a//b'],
  ['/a?x=/../b', '/a?x=/../b'],
  ['/a/..?x=%zz', '/?x=%zz'],
  ['/.hidden', '/.hidden'],
  ['/a...', '/a...'],
];

for (const [path, normal] of CASES) {
  test(`the path ${path} is matched and forwarded as ${normal}`, () => {
    const head = received(path);
    assert.equal(normalizePath(head), true);
    assert.equal(head.path, normal);
  });
}

for (const path of ['/a%00b', '/a%', '/a%4', '/a%zz', 'a', '', 'http:/a', '*']) {
  test(`the path ${JSON.stringify(path)} is refused`, () => {
    assert.equal(normalizePath(received(path)), false);
  });
}

test('OPTIONS may ask about the server as a whole', () => {
  assert.equal(normalizePath(received('*', 'OPTIONS')), true);
});

test('a path in normal form is left where it lies', () => {
  const head = received('/reviews/0');
  normalizePath(head);
  assert.equal(head.newPath, null);
});

const RULES: readonly (readonly [string, boolean, string])[] = [
  ['/x%2fy', true, '/x%2Fy'],
  ['/%61/b', true, '/a/b'],
  ['/a/../b', true, '/b'],
  ['/a\\b', true, '/a/b'],
  ['/caf\u00e9', true, '/caf%C3%A9'],
  ['/a b?c=/../d', true, '/a%20b?c=/../d'],
  ['/a/./b/..', true, '/a/'],
  ['/a/../b/..', false, '/b/..'],
  ['/.', false, '/.'],
  ['/x%2f', false, '/x%2F'],
  ['', false, ''],
  ['/100%', true, '/100%'],
];

for (const [rule, whole, normal] of RULES) {
  test(`a rule for ${whole ? 'the path' : 'paths that begin with'} ${JSON.stringify(rule)} means ${JSON.stringify(normal)}`, () => {
    assert.equal(normalRule(rule, whole), normal);
  });
}
