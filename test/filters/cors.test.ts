import assert from 'node:assert/strict';
import { test } from 'node:test';
import { corsConfig } from '../../core/builtins/cors/cors.ts';
import type { CorsPolicy } from '../../core/config/schemas/http-actions.ts';
import type { LocalReply } from '../../core/exchange/filter.ts';
import { Head } from '../../core/http/head.ts';
import { plain, TestStream } from '../core/wasm/harness.ts';
import { builtin, builtinRuntime } from './builtin.ts';

const cors = await builtin('cors');
const { runtime } = builtinRuntime();
const factory = cors(runtime);

type Fields = readonly (readonly [string, string])[];

const POLICY: CorsPolicy = {
  allowOrigins: [
    { exact: 'https://shop.example' },
    { prefix: 'https://dev.' },
    { regex: 'https://[a-z]+\\.shop\\.example' },
  ],
  allowMethods: ['GET', 'POST'],
  allowHeaders: ['x-token', 'content-type'],
  exposeHeaders: ['x-request-id', 'x-b'],
  maxAge: '24h',
  allowCredentials: true,
};

/** What becomes of one request: the answer given here, or the response's fields. */
function send(
  policy: CorsPolicy,
  request: { method?: string; fields?: Fields },
  response: Fields = [],
): { reply: LocalReply | undefined; fields: string[] } {
  const stream = new TestStream(Head.request(request.method ?? 'GET', 'shop', '/', request.fields ?? []));
  const filter = factory.open(stream, corsConfig(policy));
  const verdict = filter.head('request', stream.requestHead, true);
  const [reply] = stream.replies;
  assert.equal(verdict, reply === undefined ? 'continue' : 'pause');
  // A route may take the origin away before it sends the request.
  stream.requestHead = Head.request('GET', 'shop', '/');
  stream.responseHead = Head.response(200, reply === undefined ? response : reply.fields);
  assert.equal(filter.head('response', stream.responseHead, true), 'continue');
  filter.done();
  const head = stream.responseHead;
  const fields = Array.from({ length: head.size }, (_, i) => `${head.nameAt(i)}: ${head.valueAt(i)}`);
  return { reply, fields: fields.filter((field) => !field.startsWith(': ')) };
}

function preflight(policy: CorsPolicy, origin: string): { reply: LocalReply | undefined; fields: string[] } {
  return send(policy, {
    method: 'OPTIONS',
    fields: [
      ['origin', origin],
      ['access-control-request-method', 'POST'],
    ],
  });
}

test('a preflight from an allowed origin is answered with what is configured', () => {
  const { reply, fields } = preflight(POLICY, 'https://shop.example');
  assert.deepEqual(
    [reply?.status, reply?.details, Buffer.from(reply?.body ?? 'none').toString()],
    [200, 'cors_response', ''],
  );
  assert.deepEqual(fields, [
    'access-control-allow-origin: https://shop.example',
    'access-control-allow-credentials: true',
    'access-control-allow-methods: GET,POST',
    'access-control-allow-headers: x-token,content-type',
    'access-control-max-age: 86400',
  ]);
});

test('what is not configured is not answered', () => {
  const { fields } = preflight({ allowOrigins: [{ exact: '*' }] }, 'https://any.example');
  assert.deepEqual(fields, ['access-control-allow-origin: https://any.example']);
  assert.ok(
    preflight({ allowOrigins: [{ exact: '*' }], maxAge: '0s' }, 'https://a').fields.includes(
      'access-control-max-age: 0',
    ),
  );
});

test('the response to an allowed origin says that it may be read, in place of what the service says', () => {
  const { reply, fields } = send(POLICY, { fields: [['Origin', 'https://shop.example']] }, [
    ['Access-Control-Allow-Origin', '*'],
    ['access-control-allow-origin', 'https://other.example'],
    ['vary', 'accept-encoding'],
  ]);
  assert.equal(reply, undefined);
  assert.deepEqual(fields, [
    'vary: accept-encoding',
    'access-control-allow-origin: https://shop.example',
    'access-control-allow-credentials: true',
    'access-control-expose-headers: x-request-id,x-b',
    'vary: origin',
  ]);
});

test('origins match exactly, by prefix, or as a whole by an expression, and with regard to case', () => {
  const allowed = (origin: string): boolean => preflight(POLICY, origin).reply !== undefined;
  const cases: [string, boolean][] = [
    ['https://shop.example', true],
    ['https://shop.example:8443', false],
    ['http://shop.example', false],
    ['HTTPS://SHOP.EXAMPLE', false],
    ['https://dev.anything', true],
    ['https://a.shop.example', true],
    ['https://a.shop.example.evil', false],
    ['https://evil/https://a.shop.example', false],
    ['null', false],
    ['*', false],
  ];
  for (const [origin, expected] of cases) assert.equal(allowed(origin), expected, origin);
});

test('what matches a star matches all, and the old list is one of exact origins', () => {
  const anybody: CorsPolicy[] = [
    { allowOrigins: [{ exact: '*' }] },
    { allowOrigins: [{ regex: '.*' }] },
    { allowOrigins: [{ prefix: '*' }] },
    { allowOrigin: ['*'] },
  ];
  for (const policy of anybody) assert.ok(preflight(policy, 'https://x.example').reply, JSON.stringify(policy));
  assert.ok(preflight({ allowOrigin: ['https://x.example'] }, 'https://x.example').reply);
  assert.equal(preflight({ allowOrigin: ['https://x.example'] }, 'https://y.example').reply, undefined);
  assert.equal(preflight({}, 'https://y.example').reply, undefined);
});

test('another origin is served as if there were no policy', () => {
  const service: Fields = [['access-control-allow-origin', 'https://own.example']];
  const { reply, fields } = send(POLICY, { fields: [['origin', 'https://evil.example']] }, service);
  assert.equal(reply, undefined);
  assert.deepEqual(fields, ['access-control-allow-origin: https://own.example']);
  assert.equal(preflight(POLICY, 'https://evil.example').reply, undefined);
});

test('an unmatched preflight that is not to be forwarded is answered without allowing anything', () => {
  const { reply, fields } = preflight({ ...POLICY, unmatchedPreflights: 'IGNORE' }, 'https://evil.example');
  assert.deepEqual([reply?.status, reply?.details], [200, 'cors_response']);
  assert.deepEqual(fields, []);
  const plain = send({ ...POLICY, unmatchedPreflights: 'IGNORE' }, { fields: [['origin', 'https://evil.example']] });
  assert.equal(plain.reply, undefined);
});

test('a request without an origin, and OPTIONS that is no preflight, go on', () => {
  assert.deepEqual(send(POLICY, {}, [['x', 'y']]), { reply: undefined, fields: ['x: y'] });
  assert.equal(send(POLICY, { method: 'OPTIONS', fields: [['origin', 'https://shop.example']] }).reply, undefined);
  assert.equal(
    send(POLICY, { method: 'OPTIONS', fields: [['access-control-request-method', 'GET']] }).reply,
    undefined,
  );
  const get = {
    fields: [
      ['origin', 'https://shop.example'],
      ['access-control-request-method', 'GET'],
    ] as const,
  };
  assert.equal(send(POLICY, get).reply, undefined);
});

test('a route without a policy, or with bytes that are none, is not touched', () => {
  for (const config of [null, new Uint8Array(0), Uint8Array.of(1, 0), new Uint8Array(64).fill(255)]) {
    const stream = new TestStream(Head.request('GET', 'shop', '/', [['origin', 'https://shop.example']]));
    const filter = factory.open(stream, config === null ? null : plain(config));
    assert.equal(filter.head('request', stream.requestHead, true), 'continue');
    stream.responseHead = Head.response(200);
    filter.head('response', stream.responseHead, true);
    assert.equal(stream.responseHead.size, 0);
    filter.done();
  }
});
