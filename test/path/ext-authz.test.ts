import assert from 'node:assert/strict';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { after, before, beforeEach, test } from 'node:test';
import { flagNames } from '../../core/errors.ts';
import { until } from '../until.ts';
import { call, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

let plane: RunningDataPlane;
let app: Seen[] = [];
let checks: Seen[] = [];
/** What the authorizer says to the next checks. */
let say: (request: IncomingMessage, response: ServerResponse, body: string) => void;
let authorizer: { port: number };
let gone = 0;
const closers: (() => unknown)[] = [];

async function seen(request: IncomingMessage): Promise<Seen> {
  const body = await text(request);
  return { method: request.method!, url: request.url!, headers: request.headers, body };
}

before(async () => {
  const served = await startApp(async (request, response) => {
    app.push(await seen(request));
    response.setHeader('x-app', 'here');
    response.end('served');
  });
  const asked = await startApp(async (request, response) => {
    response.on('close', () => {
      if (!response.writableFinished) gone++;
    });
    const check = await seen(request);
    checks.push(check);
    say(request, response, check.body);
  });
  authorizer = asked;
  plane = await startDataPlane({ appPort: served.port, labels: { app: 'httpbin' } });
  closers.push(plane.close, served.close, asked.close);
});

after(async () => {
  for (const close of closers) await close();
});

beforeEach(() => {
  plane.unconfigure();
  app = [];
  checks = [];
  say = (request, response) => {
    response.statusCode = request.headers['x-ext-authz'] === 'allow' ? 200 : 403;
    response.end(response.statusCode === 200 ? '' : 'denied by ext_authz');
  };
});

/** As in Istio's task: a provider, and a policy that asks it about /headers. */
function configure(settings: object = {}, rules: object[] = [{ to: [{ operation: { paths: ['/headers'] } }] }]): void {
  const provider = {
    ...{ service: 'ext-authz.foo.test', port: 80, includeRequestHeadersInCheck: ['x-ext-authz'] },
    ...settings,
  };
  plane.apply(
    serviceEntry('ext-authz.foo.test', authorizer.port),
    JSON.stringify({
      apiVersion: 'weft.dev/v1',
      kind: 'MeshConfig',
      metadata: { name: 'default' },
      spec: { extensionProviders: [{ name: 'sample', envoyExtAuthzHttp: provider }] },
    }),
    JSON.stringify({
      apiVersion: 'security.istio.io/v1',
      kind: 'AuthorizationPolicy',
      metadata: { name: 'ext-authz' },
      spec: {
        selector: { matchLabels: { app: 'httpbin' } },
        ...{ action: 'CUSTOM', provider: { name: 'sample' }, rules },
      },
    }),
  );
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

function ask(path: string, headers: Record<string, string> = {}, body = '', method = 'GET'): Promise<Answer> {
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

async function lastRecord(before: number): Promise<{ code: number; flags: string; details: string }> {
  await plane.ended(before + 1);
  const { code, flags, details } = plane.records[before];
  return { code, flags: flagNames(flags), details };
}

test('a request that the authorizer allows reaches the application, and another is answered by the authorizer', async () => {
  configure();
  assert.equal((await ask('/headers', { 'x-ext-authz': 'allow' })).status, 200);
  const before = plane.records.length;
  const denied = await ask('/headers', { 'x-ext-authz': 'deny' });
  assert.deepEqual([denied.status, denied.body], [403, 'denied by ext_authz']);
  assert.equal(app.length, 1);
  assert.deepEqual(await lastRecord(before), { code: 403, flags: 'UAEX', details: 'ext_authz_denied' });
});

test('nobody is asked about requests that no policy matches', async () => {
  configure();
  assert.equal((await ask('/ip')).status, 200);
  assert.equal(checks.length, 0);
});

test('the check has the method, host and path, the headers that are asked of it, and no body', async () => {
  configure({ pathPrefix: '/check', includeRequestHeadersInCheck: ['x-a', 'x-pre-*', '*-end'] });
  say = (_, response) => response.end();
  const headers = { 'x-a': '1', 'x-b': '2', 'X-Pre-One': '3', 'the-end': '4', authorization: 'Basic x' };
  assert.equal((await ask('/headers?q=1', headers, 'a body', 'POST')).body, 'served');
  const [{ method, url, headers: sent, body }] = checks;
  assert.deepEqual([method, url, body], ['POST', '/check/headers?q=1', '']);
  const names = ['host', 'x-a', 'x-b', 'x-pre-one', 'the-end', 'authorization', 'content-length'];
  assert.deepEqual(
    names.map((name) => sent[name]),
    ['httpbin.foo:8000', '1', undefined, '3', '4', 'Basic x', '0'],
  );
  assert.equal(app[0].body, 'a body');
});

test('additional headers of the check go before what the client calls so', async () => {
  configure({ includeRequestHeadersInCheck: ['x-*'], includeAdditionalHeadersInCheck: { 'X-Asked-By': 'weft' } });
  say = (_, response) => response.end();
  await ask('/headers', { 'x-asked-by': 'somebody', 'x-envoy-auth-partial-body': 'false' });
  assert.equal(checks[0].headers['x-asked-by'], 'weft');
  assert.equal(checks[0].headers['x-envoy-auth-partial-body'], undefined);
});

test('what the authorizer says of an allowed request replaces headers of it, and only what is asked for does', async () => {
  configure({ headersToUpstreamOnAllow: ['x-user', 'x-more-*'], headersToDownstreamOnAllow: ['x-told'] });
  say = (_, response) => {
    response.setHeader('x-user', 'alice');
    response.setHeader('x-more-a', ['1', '2']);
    response.setHeader('x-other', 'no');
    response.setHeader('x-told', 'yes');
    response.setHeader('x-envoy-auth-headers-to-remove', 'x-secret, host');
    response.end('not for anybody');
  };
  const answer = await ask('/headers', { 'x-user': 'mallory', 'x-secret': '1' });
  const { headers } = app[0];
  assert.deepEqual(
    ['x-user', 'x-more-a', 'x-other', 'x-secret', 'host'].map((name) => headers[name]),
    ['alice', '1, 2', undefined, undefined, 'httpbin.foo:8000'],
  );
  assert.deepEqual([answer.headers['x-told'], answer.headers['x-app'], answer.body], ['yes', 'here', 'served']);
});

test('a denial has the headers that are asked for, or all of them', async () => {
  say = (_, response) => {
    response.writeHead(401, { 'x-why': 'no', 'x-more': '1', 'www-authenticate': 'Basic', 'content-type': 'text/html' });
    response.end('<p>no</p>');
  };
  configure();
  const all = await ask('/headers');
  assert.deepEqual(
    [all.status, all.headers['x-why'], all.headers['x-more'], all.headers['content-type'], all.body],
    [401, 'no', '1', 'text/html', '<p>no</p>'],
  );
  configure({ headersToDownstreamOnDeny: ['x-why'] });
  const some = await ask('/headers');
  assert.deepEqual(
    [some.headers['x-why'], some.headers['x-more'], some.headers['www-authenticate']],
    ['no', undefined, 'Basic'],
  );
});

test('an authorizer that fails denies with 403, with the status that is asked for, or lets pass', async () => {
  say = (_, response) => {
    response.statusCode = 500;
    response.end('broken');
  };
  configure();
  const before = plane.records.length;
  const refused = await ask('/headers');
  assert.deepEqual([refused.status, refused.body], [403, '']);
  assert.deepEqual(await lastRecord(before), { code: 403, flags: 'UAEX', details: 'ext_authz_error' });
  configure({ statusOnError: '503' });
  assert.equal((await ask('/headers')).status, 503);
  configure({ failOpen: true });
  assert.equal((await ask('/headers')).body, 'served');
});

test('an authorizer that is not there, breaks off or does not answer in time fails', async () => {
  say = (_, response) => response.destroy();
  configure();
  assert.equal((await ask('/headers')).status, 403);
  say = () => undefined;
  configure({ timeout: '50ms', statusOnError: '504' });
  assert.equal((await ask('/headers')).status, 504);
  configure({ service: 'nobody.foo.test' });
  assert.equal((await ask('/headers')).status, 403);
  configure({ service: 'nobody.foo.test', failOpen: true });
  assert.equal((await ask('/headers')).body, 'served');
});

test('when the client goes, nobody waits for the authorizer any more', async () => {
  say = () => undefined;
  configure();
  const before = gone;
  const options = { host: '127.0.0.1', port: plane.ports.inbound, agent: false, path: '/headers' };
  const sent = request({ ...options, headers: { host: 'httpbin' } });
  sent.on('error', () => undefined);
  sent.end();
  await until('the authorizer is asked', () => checks.length === 1);
  sent.destroy();
  await until('the check is given up', () => gone === before + 1);
});

test('the body goes along up to the limit, and the application has all of it', async () => {
  say = (_, response, body) => {
    response.statusCode = body.includes('evil') ? 403 : 200;
    response.end();
  };
  configure({ includeRequestBodyInCheck: { maxRequestBytes: 10 } });
  assert.equal((await ask('/headers', {}, 'good', 'POST')).status, 200);
  assert.deepEqual([checks[0].body, checks[0].headers['x-envoy-auth-partial-body']], ['good', 'false']);
  assert.equal(app[0].body, 'good');
  assert.equal((await ask('/headers', {}, 'evil', 'POST')).status, 403);
  assert.equal((await ask('/headers', {}, '0123456789', 'POST')).status, 200);
  assert.equal((await ask('/headers', {}, '0123456789a', 'POST')).status, 413);
  assert.equal((await ask('/headers')).status, 200);
  assert.deepEqual(
    checks.map(({ body }) => body),
    ['good', 'evil', '0123456789', ''],
  );
});

test('of a longer body a part goes along where that is allowed, and the application has all of it', async () => {
  say = (_, response) => response.end();
  configure({ includeRequestBodyInCheck: { maxRequestBytes: 10, allowPartialMessage: true } });
  const long = 'x'.repeat(3_000_000);
  assert.equal((await ask('/headers', {}, long, 'POST')).status, 200);
  assert.deepEqual([checks[0].body, checks[0].headers['x-envoy-auth-partial-body']], ['x'.repeat(10), 'true']);
  assert.equal(app[0].body.length, long.length);
});

test('a client that waits for 100 Continue sends its body to be checked', async () => {
  say = (_, response) => response.end();
  configure({ includeRequestBodyInCheck: { maxRequestBytes: 100 } });
  const options = { host: '127.0.0.1', port: plane.ports.inbound, agent: false, path: '/headers', method: 'POST' };
  const status = await new Promise((resolve, reject) => {
    const headers = { host: 'httpbin', expect: '100-continue', 'content-length': '4' };
    const sent = request({ ...options, headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on('continue', () => sent.end('body'));
    sent.on('error', reject);
    sent.flushHeaders();
  });
  assert.equal(status, 200);
  assert.equal(checks[0].body, 'body');
});

test('DENY goes before nothing that the authorizer allows, and ALLOW has to allow it, too', async () => {
  configure({}, [{}]);
  const policy = (name: string, spec: string): string =>
    `{apiVersion: security.istio.io/v1, kind: AuthorizationPolicy, metadata: {name: ${name}}, spec: ${spec}}`;
  plane.apply(policy('no-post', '{action: DENY, rules: [{to: [{operation: {methods: [POST]}}]}]}'));
  plane.apply(policy('some', '{action: ALLOW, rules: [{to: [{operation: {paths: [/headers, /ip]}}]}]}'));
  const allow = { 'x-ext-authz': 'allow' };
  assert.equal((await ask('/headers', allow)).status, 200);
  assert.equal((await ask('/headers', allow, '', 'POST')).body, 'RBAC: access denied');
  assert.equal((await ask('/other', allow)).body, 'RBAC: access denied');
  assert.equal((await ask('/other')).body, 'denied by ext_authz');
});

test('a policy whose provider is not there, or cannot be asked, denies what it matches', async () => {
  configure();
  plane.apply(`
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: {name: default}
spec: {extensionProviders: [{name: sample, zipkin: {}}]}
`);
  assert.equal((await ask('/headers', { 'x-ext-authz': 'allow' })).body, 'RBAC: access denied');
  assert.equal((await ask('/ip')).status, 200);
});

test('hosts that the mesh does not know are reached as MeshConfig says, at once', async () => {
  const { port } = authorizer;
  say = (_, response) => response.end('outside');
  const outside = (): Promise<{ status: number }> =>
    call({ port: plane.ports.outbound, path: '/', headers: { host: `localhost:${port}` } });
  const mesh = (mode: string): string =>
    `{apiVersion: weft.dev/v1, kind: MeshConfig, metadata: {name: default}, spec: {outboundTrafficPolicy: {mode: ${mode}}}}`;
  assert.equal((await outside()).status, 200);
  plane.apply(mesh('REGISTRY_ONLY'));
  assert.equal((await outside()).status, 502);
  plane.apply(mesh('ALLOW_ANY'));
  assert.equal((await outside()).status, 200);
});
