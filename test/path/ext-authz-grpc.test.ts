// Policies of action CUSTOM whose authorizer is spoken to in envoy.service.auth.v3.
import assert from 'node:assert/strict';
import { type IncomingHttpHeaders, request } from 'node:http';
import { constants } from 'node:http2';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { until } from '../until.ts';
import { type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';
import {
  type Authorizer,
  answer,
  type Field,
  fieldsOf,
  inside,
  message,
  startAuthorizer,
  type Value,
} from './ext-authz-messages.ts';

let plane: RunningDataPlane;
let authorizer: Authorizer;
let app: { url: string; headers: IncomingHttpHeaders; body: string }[] = [];
const closers: (() => unknown)[] = [];

before(async () => {
  const served = await startApp(async (request, response) => {
    app.push({ url: request.url!, headers: request.headers, body: await text(request) });
    response.setHeader('x-app', 'here');
    response.end('served');
  });
  authorizer = await startAuthorizer();
  plane = await startDataPlane({ appPort: served.port, labels: { app: 'httpbin' } });
  closers.push(plane.close, served.close, () => authorizer.close());
});

after(async () => {
  for (const close of closers) await close();
});

beforeEach(() => {
  plane.unconfigure();
  app = [];
  authorizer.checks = [];
  authorizer.say = (stream) => answer(stream, Buffer.alloc(0));
});

function configure(settings: object = {}): void {
  const problems = plane.apply(
    serviceEntry('ext-authz.foo.test', authorizer.port),
    JSON.stringify({
      apiVersion: 'weft.dev/v1',
      kind: 'MeshConfig',
      metadata: { name: 'default' },
      spec: {
        extensionProviders: [
          { name: 'sample', envoyExtAuthzGrpc: { service: 'foo/ext-authz.foo.test', port: '80', ...settings } },
        ],
      },
    }),
    JSON.stringify({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'ext-authz' },
      spec: {
        selector: { matchLabels: { app: 'httpbin' } },
        ...{ action: 'CUSTOM', provider: { name: 'sample' }, rules: [{}] },
      },
    }),
  );
  assert.deepEqual(
    problems.filter(({ message }) => message.includes('gRPC')),
    [],
  );
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

function ask(
  path: string,
  headers: Record<string, string> = {},
  body = Buffer.alloc(0),
  method = 'GET',
): Promise<Answer> {
  const options = { host: '127.0.0.1', port: plane.ports.inbound, agent: false, path, method };
  return new Promise((resolve, reject) => {
    const sent = request({ ...options, headers: { host: 'httpbin.foo:8000', ...headers } }, (response) => {
      const { statusCode, headers } = response;
      text(response).then((all) => resolve({ status: statusCode!, body: all, headers }), reject);
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

/** What the next checks get: a CheckResponse of these fields. */
function say(...fields: Field[]): void {
  authorizer.say = (stream) => answer(stream, message(fields));
}

/** HeaderValueOption. */
function header(name: string, value: string, ...more: Field[]): Value {
  return [
    [
      1,
      [
        [1, name],
        [2, value],
      ],
    ],
    ...more,
  ];
}
const APPEND: Field = [2, [[1, 1]]];
const DENIED: Field = [1, [[1, 7]]];
/** In CheckRequest: attributes, request, http. */
const HTTP = [1, 4, 2];

test('the check is a call of Authorization/Check with all that is known of the request', async () => {
  configure({ timeout: '3s' });
  const sent = { 'x-a': '1', 'X-B': 'two', 'x-envoy-auth-partial-body': 'true', 'x-latin': 'caf\xe9' };
  assert.equal((await ask('/headers?q=1', sent, Buffer.from('a body'), 'POST')).body, 'served');
  const [{ headers, message: check }] = authorizer.checks;
  assert.deepEqual(
    [':method', ':path', ':authority', 'content-type', 'te', 'grpc-timeout'].map((name) => headers[name]),
    [
      'POST',
      '/envoy.service.auth.v3.Authorization/Check',
      'ext-authz.foo.test',
      'application/grpc',
      'trailers',
      '3000m',
    ],
  );
  const http = fieldsOf(inside(check, ...HTTP)!);
  assert.deepEqual(
    [2, 4, 5, 6, 10].map((field) => String(http.get(field)?.[0])),
    ['POST', '/headers?q=1', 'httpbin.foo:8000', 'http', 'HTTP/1.1'],
  );
  assert.deepEqual([http.get(9), http.get(11), http.get(12)], [[6], undefined, undefined]);
  const map = new Map(
    http.get(3)!.map((entry) => [String(inside(entry as Buffer, 1)), String(inside(entry as Buffer, 2))]),
  );
  assert.deepEqual(
    [':path', ':method', 'x-a', 'x-b', 'x-latin', 'x-envoy-auth-partial-body'].map((name) => map.get(name)),
    ['/headers?q=1', 'POST', '1', 'two', 'caf\ufffd', undefined],
  );
  assert.equal(String(http.get(1)![0]), map.get('x-request-id'));
  assert.equal(String(inside(check, 1, 1, 1, 1, 2)), '127.0.0.1');
  assert.deepEqual(fieldsOf(inside(check, 1, 2, 1, 1)!).get(3), [plane.ports.inbound]);
  assert.ok(Math.abs(Number(fieldsOf(inside(check, 1, 4, 1)!).get(1)![0]) - Date.now() / 1000) < 600);
  assert.equal(app[0].body, 'a body');
});

test('what the authorizer says of an allowed request is done to it and to its answer', async () => {
  configure();
  const ok: Field[] = [
    [2, header('X-User', 'alice')],
    [2, header('x-list', 'b', APPEND)],
    [2, header('x-not-there', 'b', APPEND)],
    [2, header('content-length', '7')],
    [5, 'X-Secret'],
    [5, 'host'],
    [6, header('x-told', 'yes')],
    [6, header('x-app', 'there', [2, [[1, 0]]])],
    [6, header('x-app', 'not', [3, 1])],
    [
      7,
      [
        [1, 'user'],
        [2, 'a b'],
      ],
    ],
    [8, 'token'],
  ];
  say([3, ok]);
  const sent = { 'x-user': 'mallory', 'x-list': 'a', 'x-secret': '1' };
  const { headers: told } = await ask('/headers?user=eve&token=t&keep=%20', sent);
  const { url, headers } = app[0];
  assert.deepEqual(
    ['x-user', 'x-list', 'x-not-there', 'x-secret', 'host'].map((name) => headers[name]),
    ['alice', 'a, b', undefined, undefined, 'httpbin.foo:8000'],
  );
  assert.equal(url, '/headers?keep=%20&user=a%20b');
  assert.deepEqual([told['x-told'], told['x-app']], ['yes', 'there']);
});

test('a denial is answered with its status, headers and body, or with 403', async () => {
  configure();
  const cookies: Field[] = [
    [2, header('set-cookie', 'a=1')],
    [2, header('set-cookie', 'b=2')],
  ];
  say(DENIED, [2, [[1, [[1, 401]]], [2, header('WWW-Authenticate', 'Basic')], ...cookies, [3, 'who are you']]]);
  const before = plane.records.length;
  const { status, headers, body } = await ask('/headers');
  assert.deepEqual([status, headers['www-authenticate'], body], [401, 'Basic', 'who are you']);
  assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
  await plane.ended(before + 1);
  const { flags, details } = plane.records[before];
  assert.deepEqual([flagNames(flags), details], ['UAEX', 'ext_authz_denied']);
  say(DENIED);
  assert.equal((await ask('/headers')).status, 403);
  assert.equal(app.length, 0);
});

test('a check that fails denies with 403, with the status that is asked for, or lets pass', async () => {
  const failures: Authorizer['say'][] = [
    (stream) => answer(stream, Buffer.alloc(0), '14'),
    (stream) => stream.respond({ ':status': 200, 'grpc-status': '12' }, { endStream: true }),
    (stream) => stream.respond({ ':status': 500 }, { endStream: true }),
    (stream) => answer(stream, Buffer.from([0x0a, 0xff])),
    (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR),
    (stream) => {
      stream.respond({ ':status': 200 });
      stream.end(Buffer.alloc(5));
    },
  ];
  for (const failure of failures) {
    authorizer.say = failure;
    configure({ statusOnError: '503' });
    assert.equal((await ask('/headers')).status, 503);
    configure({ failOpen: true });
    assert.equal((await ask('/headers')).body, 'served');
  }
  configure();
  const before = plane.records.length;
  assert.equal((await ask('/headers')).status, 403);
  await plane.ended(before + 1);
  assert.equal(plane.records[before].details, 'ext_authz_error');
  authorizer.say = () => undefined;
  configure({ timeout: '50ms', statusOnError: '504' });
  assert.equal((await ask('/headers')).status, 504);
});

test('when the client goes, the call is given up', async () => {
  authorizer.say = () => undefined;
  configure();
  const before = authorizer.gone;
  const options = { host: '127.0.0.1', port: plane.ports.inbound, agent: false, path: '/headers' };
  const sent = request({ ...options, headers: { host: 'httpbin' } });
  sent.on('error', () => undefined);
  sent.end();
  await until('the authorizer is asked', () => authorizer.checks.length === 1);
  sent.destroy();
  await until('the call is given up', () => authorizer.gone === before + 1);
});

test('the body goes along as a text or as bytes, whole or in part', async () => {
  const bytes = Buffer.from([0x61, 0xff, 0x62]);
  const http = async (body: object): Promise<Map<number, (number | Buffer)[]>> => {
    configure({ includeRequestBodyInCheck: body });
    const { status } = await ask('/headers', {}, bytes, 'POST');
    assert.equal(status, 200);
    assert.deepEqual(app.at(-1)?.body, bytes.toString());
    return fieldsOf(inside(authorizer.checks.at(-1)!.message, ...HTTP)!);
  };
  const asText = await http({ maxRequestBytes: 3 });
  assert.deepEqual([asText.get(11), asText.get(12)], [[Buffer.from('a\ufffdb')], undefined]);
  const asBytes = await http({ maxRequestBytes: 3, packAsBytes: true });
  assert.deepEqual([asBytes.get(11), asBytes.get(12)], [undefined, [bytes]]);
  const part = await http({ maxRequestBytes: 2, packAsBytes: true, allowPartialMessage: true });
  assert.deepEqual(part.get(12), [bytes.subarray(0, 2)]);
  const headers = part.get(3)!.map((entry) => String(entry));
  assert.ok(headers.some((entry) => entry.includes('x-envoy-auth-partial-body') && entry.includes('true')));
  configure({ includeRequestBodyInCheck: { maxRequestBytes: 2 } });
  assert.equal((await ask('/headers', {}, bytes, 'POST')).status, 413);
});
