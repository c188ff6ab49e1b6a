// What a route promises of answers holds for every answer that it gives, and its conditions are read as Istio reads them.
import assert from 'node:assert/strict';
import { get, type IncomingHttpHeaders, request } from 'node:http';
import { after, before, test } from 'node:test';
import { replyResponse } from '../../core/exchange/local-reply.ts';
import { Head } from '../../core/http/head.ts';
import { exchangeBytes, type RunningDataPlane, serviceEntry, startApp, startDataPlane } from './data-plane.ts';
import { failing, OK, startScripted } from './scripted.ts';

let mesh: RunningDataPlane;
const closers: (() => unknown)[] = [];

before(async () => {
  const app = await startApp((incoming, response) => response.end(`app ${incoming.url}`));
  closers.push(app.close);
  const shop = serviceEntry('shop.example', app.port).replace(
    '[{',
    '[{"number":8080,"name":"other","protocol":"HTTP"},{',
  );
  mesh = await startDataPlane({ yaml: [shop] });
  closers.push(mesh.close);
});

after(async () => {
  for (const close of closers) await close();
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(path: string, headers: Record<string, string> = {}, host = 'shop.example'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port: mesh.ports.outbound, path, headers: { host, ...headers } };
    get({ ...options, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (part) => (body += part));
      response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, body }));
    }).on('error', reject);
  });
}

function rules(http: string): void {
  const problems = mesh.apply(`
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example]
  http:
${http.replace(/^/gm, '  ')}
`);
  assert.deepEqual(
    problems.filter(({ severity }) => severity === 'error'),
    [],
  );
}

const TO_SHOP = 'route: [{destination: {host: shop.example, port: {number: 80}}}]';

test('headers that a route sets on responses are on direct responses, redirects, aborts and failures, too', async () => {
  const headers =
    'headers: {response: {set: {strict-transport-security: max-age=9, content-type: text/html}, remove: [server]}}';
  rules(`
- {match: [{uri: {exact: /direct}}], ${headers}, directResponse: {status: 200, body: {string: <b>}}}
- {match: [{uri: {exact: /redirect}}], ${headers}, redirect: {uri: /x}}
- {match: [{uri: {exact: /abort}}], ${headers}, fault: {abort: {httpStatus: 418, percentage: {value: 100}}}, ${TO_SHOP}}
- {match: [{uri: {exact: /gone}}], ${headers}, route: [{destination: {host: nowhere.example}}]}
- {${TO_SHOP}}
`);
  for (const [path, status] of [
    ['/direct', 200],
    ['/redirect', 301],
    ['/abort', 418],
    ['/gone', 503],
  ] as const) {
    const answer = await ask(path);
    assert.equal(answer.status, status, path);
    assert.equal(answer.headers['strict-transport-security'], 'max-age=9', path);
    assert.equal(answer.headers['content-type'], 'text/html', path);
    assert.equal(answer.headers.server, undefined, path);
  }
});

test('a redirect keeps every port but the one that the old scheme means by itself', async () => {
  rules(`
- {match: [{uri: {exact: /named}}], redirect: {authority: 'new.example:8443', scheme: https}}
- {match: [{uri: {exact: /v6}}], redirect: {authority: '[::1]:8443'}}
- {match: [{uri: {exact: /tls}}], redirect: {scheme: https}}
- {${TO_SHOP}}
`);
  const where = async (path: string, host?: string) => (await ask(path, {}, host)).headers.location;
  assert.equal(await where('/named'), 'https://new.example:8443/named');
  assert.equal(await where('/v6'), 'http://[::1]:8443/v6');
  assert.equal(await where('/tls', 'shop.example:8080'), 'https://shop.example:8080/tls');
  assert.equal(await where('/tls', 'shop.example:80'), 'https://shop.example/tls');
});

test('a prefix that is rewritten to nothing is the root, and an expression makes no other form of target', async () => {
  rules(`
- {match: [{uri: {prefix: /empty}}], rewrite: {uri: ''}, ${TO_SHOP}}
- {match: [{uri: {prefix: /rw}}], rewrite: {uriRegexRewrite: {match: '/rw/(.*)', rewrite: '\\1'}}, ${TO_SHOP}}
- {${TO_SHOP}}
`);
  assert.equal((await ask('/empty')).body, 'app /');
  assert.equal((await ask('/empty?q=1')).body, 'app /?q=1');
  assert.equal((await ask('/empty/a')).body, 'app /a');
  const ended = mesh.records.length;
  assert.equal((await ask('/rw/http://evil.example/')).status, 500);
  await mesh.ended(ended + 1);
  assert.equal(mesh.records.at(-1)!.details, 'rewritten_path_invalid');
});

test('a query parameter is matched byte for byte as it was sent', async () => {
  rules(`
- {match: [{queryParams: {p: {exact: a+b}}}], directResponse: {status: 201}}
- {match: [{queryParams: {v: {exact: 'a%20b'}}}], directResponse: {status: 202}}
- {match: [{queryParams: {here: {regex: '*'}}}], directResponse: {status: 203}}
- {${TO_SHOP}}
`);
  assert.equal((await ask('/?p=a+b')).status, 201);
  assert.equal((await ask('/?x=1&v=a%20b')).status, 202);
  assert.equal((await ask('/?here')).status, 203);
  assert.equal((await ask('/?p=a%20b')).status, 200);
});

test('a header that is absent is empty to an expression of withoutHeaders, and * asks for presence', async () => {
  rules(`
- {match: [{uri: {exact: /any}, withoutHeaders: {x: {regex: '.*'}}}], directResponse: {status: 403}}
- {match: [{uri: {exact: /some}, withoutHeaders: {x: {regex: '.+'}}}], directResponse: {status: 403}}
- {match: [{uri: {exact: /here}, headers: {x: {regex: '*'}}}], directResponse: {status: 203}}
- {${TO_SHOP}}
`);
  assert.equal((await ask('/any')).status, 200);
  assert.equal((await ask('/some')).status, 403);
  assert.equal((await ask('/here')).status, 200);
  assert.equal((await ask('/here', { x: '' })).status, 203);
});

test('gateways that a match names decide alone, whatever the labels of the source are', async () => {
  rules(`
- {match: [{gateways: [mesh], sourceLabels: {app: another}}], directResponse: {status: 201}}
- {match: [{sourceLabels: {app: another}}], directResponse: {status: 202}}
- {${TO_SHOP}}
`);
  assert.equal((await ask('/')).status, 201);
  rules(`
- {match: [{gateways: [default/edge]}], directResponse: {status: 201}}
- {match: [{sourceLabels: {app: another}}], directResponse: {status: 202}}
- {${TO_SHOP}}
`);
  assert.equal((await ask('/')).status, 200);
});

test("a match's own name shows behind the route's in the access log", async () => {
  rules(`
- {name: front, match: [{name: login, uri: {exact: /login}}, {uri: {exact: /plain}}], ${TO_SHOP}}
- {${TO_SHOP}}
`);
  const ended = mesh.records.length;
  await ask('/login');
  await ask('/plain');
  await mesh.ended(ended + 2);
  assert.deepEqual(
    mesh.records.slice(ended).map(({ route }) => route),
    ['front.login', 'front'],
  );
});

test('a host name with a dot at its end is the same host', async () => {
  rules(`- {${TO_SHOP}}`);
  assert.equal((await ask('/', {}, 'shop.example.')).body, 'app /');
});

test('dot segments with path parameters are resolved before anything looks at the path', async () => {
  rules(`- {${TO_SHOP}}`);
  for (const [path, seen] of [
    ['/x/..;/y', '/y'],
    ['/x/..;a=b/y', '/y'],
    ['/x/.;/y', '/x/y'],
    ['/x/%2e%2e;/y', '/y'],
    ['/x;p/y', '/x;p/y'],
    ['/x/...;/y', '/x/...;/y'],
    ['/v1/x/..;', '/v1/'],
  ] as const) {
    assert.equal((await ask(path)).body, `app ${seen}`, path);
  }
});

test('a gRPC call is answered in its own form by routes and failures, and nothing else ever is', async () => {
  rules(`
- {match: [{uri: {exact: /denied}}], directResponse: {status: 403, body: {string: nope}}}
- {match: [{uri: {exact: /gone}}], route: [{destination: {host: nowhere.example}}]}
- {${TO_SHOP}}
`);
  const grpc = { 'content-type': 'application/grpc+proto' };
  const denied = await ask('/denied', grpc);
  assert.deepEqual([denied.status, denied.headers['grpc-status'], denied.headers['grpc-message']], [200, '7', 'nope']);
  assert.equal(denied.headers['content-type'], 'application/grpc');
  assert.equal((await ask('/gone', grpc)).headers['grpc-status'], '14');
  const web = await ask('/denied', { 'content-type': 'application/grpc-web' });
  assert.deepEqual([web.status, web.headers['grpc-status'], web.body], [403, undefined, 'nope']);
});

test('where only the registry may name hosts, an unknown one is 502 from the black hole', async () => {
  const only = await startDataPlane({ outboundPolicy: 'REGISTRY_ONLY' });
  closers.push(only.close);
  const status = await new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port: only.ports.outbound, headers: { host: 'unknown.example' } });
    asked.on('response', (response) => resolve(response.resume().statusCode)).on('error', reject);
    asked.end();
  });
  assert.equal(status, 502);
  await only.ended(1);
  assert.equal(only.records[0].route, 'block_all');
});

test('an answer without Date says when it came, and one with Date says what it said', async (t) => {
  const given = failing(404, '', 'DATE: Sun, 06 Nov 1994 08:49:37 GMT');
  const upstream = await startScripted(OK, given, OK);
  const plane = await startDataPlane({ appPort: upstream.port, yaml: [serviceEntry('up.example', upstream.port)] });
  t.after(() => {
    plane.close();
    upstream.close();
  });
  const dates = async (port: number): Promise<string[]> => {
    const answer = await exchangeBytes(port, 'GET / HTTP/1.1\r\nHost: up.example\r\nConnection: close\r\n\r\n');
    return [...answer.matchAll(/\r\ndate: (.*)\r\n/gi)].map(([, date]) => date);
  };
  for (const port of [plane.ports.outbound, plane.ports.inbound]) {
    const before = Math.floor(Date.now() / 1000) * 1000;
    const [date, ...more] = await dates(port);
    assert.match(date, /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/);
    assert.ok(Math.abs(Date.parse(date) - before) <= 5000, date);
    assert.deepEqual(more, []);
    if (upstream.requests.length === 1) {
      assert.deepEqual(await dates(port), ['Sun, 06 Nov 1994 08:49:37 GMT']);
    }
  }
});

test('what a filter says itself of an answer is said once', () => {
  const fields: [string, string][] = [
    ['Date', 'Sun, 06 Nov 1994 08:49:37 GMT'],
    ['Server', 'mine'],
    ['Content-Type', 'text/html'],
  ];
  const { head } = replyResponse(
    { status: 200, body: '<b>', details: '', fields, grpcStatus: -1 },
    Head.request('GET', 'a', '/'),
  );
  assert.deepEqual(
    Array.from({ length: head.size }, (_, i) => [head.nameAt(i), head.valueAt(i)]),
    fields,
  );
});
