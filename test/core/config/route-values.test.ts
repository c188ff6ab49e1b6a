// What of a route's values could never be sent, or would change nothing, and is therefore refused or told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeYaml } from '../../../core/config/decode.ts';
import { unenforced } from '../../../core/config/unenforced.ts';

function decode(http: object) {
  const spec = { hosts: ['a.test'], http: [http] };
  const resource = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', metadata: { name: 'a' }, spec };
  return decodeYaml(JSON.stringify(resource));
}

const TO = { route: [{ destination: { host: 'a.test' } }] };

/** Of each error its message and its place in the route. */
function refused(http: object): string[] {
  return decode(http).problems.map(
    ({ message, pointer = '' }) => `${message} (${pointer.slice('/spec/http/0'.length)})`,
  );
}

test('a redirect that no answer could carry is refused', () => {
  for (const [field, value] of Object.entries({
    uri: ['/a b', '/a\r\nx: y', '/caf\u00e9', '/a#b', 'a'],
    prefixRewrite: ['/a b', 'x'],
    authority: ['a.test\r\nx: y', 'a b', 'a/b', 'a@b'],
    scheme: ['ftp', 'HTTP', 'http\n'],
  })) {
    for (const each of value) assert.equal(refused({ redirect: { [field]: each } }).length, 1, `${field} ${each}`);
  }
  assert.deepEqual(refused({ redirect: { scheme: 'ftp' } }), ['"ftp" is no scheme: http or https (/redirect/scheme)']);
  assert.deepEqual(refused({ redirect: { uri: '/a?b=%20', authority: '[::1]:8443', scheme: 'https' } }), []);
});

test('a rewrite that no request could carry is refused', () => {
  for (const uri of ['/b c', '/caf\u00e9', 'b', '/a\tb'])
    assert.equal(refused({ ...TO, rewrite: { uri } }).length, 1, uri);
  for (const uri of ['', '/', '/b?c=%C3%A9']) assert.deepEqual(refused({ ...TO, rewrite: { uri } }), [], uri);
  assert.equal(refused({ ...TO, rewrite: { authority: 'a b' } }).length, 1);
  const regex = (rewrite: string): string[] =>
    refused({ ...TO, rewrite: { uriRegexRewrite: { match: '/(a)(b)', rewrite } } });
  assert.deepEqual(regex('/\\2/\\1$1\\\\'), []);
  assert.deepEqual(regex('/\\3'), [
    '"/\\\\3" refers to \\3, and the expression has 2 groups (/rewrite/uriRegexRewrite/rewrite)',
  ]);
  assert.equal(regex('/\\a').length, 1);
  assert.equal(regex('/ \\1').length, 1);
});

test('an authority is one host, given once', () => {
  const request = (...levels: object[]): object => ({ ...TO, headers: { request: Object.assign({}, ...levels) } });
  assert.deepEqual(refused(request({ set: { Host: 'a.test:80' } })), []);
  assert.deepEqual(refused(request({ set: { ':authority': 'a b' } })), [
    '"a b" is no host, nor host:port (/headers/request/set/:authority)',
  ]);
  assert.equal(refused(request({ set: { host: 'a' } }, { add: { ':authority': 'b' } })).length, 1);
  assert.equal(refused({ ...request({ set: { host: 'a' } }), rewrite: { authority: 'b' } }).length, 1);
  assert.equal(refused(request({ remove: ['host'] })).length, 1);
  assert.equal(refused({ ...TO, headers: { response: { set: { Host: 'a' } } } }).length, 1);
  assert.equal(refused({ ...TO, headers: { response: { add: { ':authority': 'a' } } } }).length, 1);
});

test('what only forwarded requests meet does not go with an answer of the route', () => {
  const fault = { abort: { httpStatus: 500 } };
  assert.deepEqual(refused({ redirect: { uri: '/' }, fault }), [
    'redirect and fault exclude each other: give one of them (/fault)',
  ]);
  assert.equal(refused({ directResponse: { status: 200 }, fault }).length, 1);
  const prefixRewrite = { prefixRewrite: '/b' };
  assert.deepEqual(refused({ match: [{ uri: { prefix: '/a' } }, {}], redirect: prefixRewrite }), []);
  for (const how of ['exact', 'regex']) {
    assert.equal(refused({ match: [{ uri: { [how]: '/a' } }], redirect: prefixRewrite }).length, 1, how);
  }
});

test('rules for fields that the proxy writes by itself are told, each by its place', () => {
  const told = (headers: object): string[] => {
    const { resources, problems } = decode({ ...TO, headers });
    assert.deepEqual(problems, []);
    return unenforced(resources[0]).map(({ message, pointer }) => `${message} ${pointer}`);
  };
  const names = ['connection', 'content-length', 'expect', 'keep-alive', 'transfer-encoding', 'upgrade'];
  for (const name of [...names, 'x-envoy-attempt-count']) {
    assert.deepEqual(told({ request: { set: { [name]: 'a' } } }), [
      `not enforced yet: header rules for ${name} (VirtualService default/a) /spec/http/0/headers/request/set`,
    ]);
  }
  for (const name of names) assert.equal(told({ response: { remove: [name.toUpperCase()] } }).length, 1, name);
  assert.deepEqual(
    told({ request: { add: { te: 'trailers' } }, response: { set: { 'x-envoy-upstream-service-time': '1' } } }),
    [],
  );
});

test('an expression that would take long for each request is refused, with its size', () => {
  const large = '((a?){30}){30}';
  assert.deepEqual(refused({ ...TO, match: [{ headers: { x: { regex: large } } }] }), [
    '"((a?){30}){30}" is too large: a program of 3662 instructions, and at most 500 may run for each request (/match/0/headers/x/regex)',
  ]);
  assert.equal(refused({ ...TO, rewrite: { uriRegexRewrite: { match: large, rewrite: '/' } } }).length, 1);
  const uuid = '/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:/(?:orders|invoices|payments)){0,4}';
  assert.deepEqual(refused({ ...TO, match: [{ uri: { regex: uuid } }] }), []);
});
