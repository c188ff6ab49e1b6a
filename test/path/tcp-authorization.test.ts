// Istio's task on authorization of TCP, and what else rules may ask of a connection, through two sidecars.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { until } from '../until.ts';
import { type RunningDataPlane, startDataPlane, startTcp } from './data-plane.ts';
import { type TestAuthority, testAuthority } from './identities.ts';

const SLEEP = '127.45.0.1';
const ECHO = '127.45.0.2';

let authority: TestAuthority;
let sleep: RunningDataPlane;
let echo: RunningDataPlane;
let port = 0;
const details: string[] = [];
const closers: (() => unknown)[] = [];

const at = (id: string, address: string, number: number, services: string[]) => ({
  ...{ id, name: `${id}-1`, workload: id, namespace: 'default', serviceAccount: id, trustDomain: 'cluster.local' },
  ...{ labels: { app: id }, services, address, port: number, appPort: 9000, weight: 1, locality: '', tls: true },
});

const policy = (action: string, rule: string, name = 'tcp-policy') => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name} }
spec: { selector: { matchLabels: { app: tcp-echo } }, action: ${action}, rules: [${rule}] }`;

before(async () => {
  authority = await testAuthority();
  closers.push(authority.close);
  const app = await startTcp((socket) => {
    socket.on('data', (chunk) => socket.write(`hello ${chunk}`));
  });
  ({ port } = app);
  closers.push(app.close);
  echo = await startDataPlane({
    ...{ address: ECHO, labels: { app: 'tcp-echo' }, serviceAccount: 'tcp-echo', services: ['tcp-echo'] },
    ...{ appPort: app.port, appProtocol: 'tcp' },
    sink: { connectionEnded: (record) => details.push(record.terminationDetails ?? '') },
  });
  const labels = { app: 'sleep' };
  sleep = await startDataPlane({ address: SLEEP, labels, serviceAccount: 'sleep', upstreams: ['tcp-echo:9000'] });
  closers.push(echo.close, sleep.close);
  echo.plane.setIdentity(await authority.identity('tcp-echo'));
  sleep.plane.setIdentity(await authority.identity('sleep'));
  for (const plane of [echo, sleep]) {
    plane.told([at('sleep', SLEEP, 0, []), at('tcp-echo', ECHO, echo.ports.inbound, ['tcp-echo'])]);
  }
});

after(async () => {
  for (const close of closers.reverse()) await close();
});

beforeEach(() => {
  echo.unconfigure();
  details.length = 0;
});

/** 'hello' or 'rejected'; `plain`: without a sidecar, and so without an identity. */
async function ask(plain = false): Promise<string> {
  const socket = plain ? connect(echo.ports.inbound, ECHO) : connect(sleep.upstreams['tcp-echo:9000']);
  let heard = '';
  let over = false;
  socket.on('data', (chunk) => {
    heard += chunk;
  });
  for (const event of ['end', 'close', 'error']) socket.on(event, () => (over = true));
  socket.write('port 9000');
  await until('an answer or the end', () => over || heard !== '');
  socket.destroy();
  return heard === 'hello port 9000' ? 'hello' : 'rejected';
}

test('the port of the application lets in, and what a rule asks of requests never does', async () => {
  assert.equal(await ask(), 'hello');
  echo.apply(policy('ALLOW', `{ to: [{ operation: { ports: ["${port}", "1"] } }] }`));
  assert.equal(await ask(), 'hello');
  echo.apply(policy('ALLOW', '{ to: [{ operation: { ports: ["1"] } }] }'));
  assert.equal(await ask(), 'rejected');
  await until('the line', () => details.length === 3);
  assert.equal(details[2], 'rbac_access_denied_matched_policy[none]');
  for (const requests of ['methods: [GET]', 'notMethods: [GET]', 'paths: ["*"]', 'hosts: ["*"]']) {
    echo.apply(policy('ALLOW', `{ to: [{ operation: { ${requests}, ports: ["${port}"] } }] }`));
    assert.equal(await ask(), 'rejected', requests);
  }
});

test('what a denial asks of requests does not keep it from applying', async () => {
  for (const requests of ['methods: [GET]', 'notMethods: [GET]', 'paths: [/a]']) {
    echo.apply(policy('DENY', `{ to: [{ operation: { ${requests} } }] }`));
    assert.equal(await ask(), 'rejected', requests);
  }
  assert.equal(details[0], 'rbac_access_denied_matched_policy[ns[default]-policy[tcp-policy]-rule[0]]');
  echo.apply(policy('DENY', '{ to: [{ operation: { methods: [GET], ports: ["1"] } }] }'));
  assert.equal(await ask(), 'hello');
  echo.apply(policy('DENY', '{ when: [{ key: "request.headers[x]", values: ["1"] }] }'));
  assert.equal(await ask(), 'rejected');
});

test('who calls is known by the certificate, and where from by the address', async () => {
  const rows: readonly (readonly [from: string, mesh: string, plain: string])[] = [
    ['principals: [cluster.local/ns/default/sa/sleep]', 'hello', 'rejected'],
    ['principals: ["*"]', 'hello', 'rejected'],
    ['principals: [cluster.local/ns/default/sa/other]', 'rejected', 'rejected'],
    ['notPrincipals: [cluster.local/ns/default/sa/other]', 'hello', 'hello'],
    ['namespaces: [default]', 'hello', 'rejected'],
    ['notNamespaces: [default]', 'rejected', 'hello'],
    ['serviceAccounts: [default/sleep]', 'hello', 'rejected'],
    ['ipBlocks: [127.45.0.0/24]', 'hello', 'rejected'],
    ['notIpBlocks: [127.45.0.0/24]', 'rejected', 'hello'],
    ['remoteIpBlocks: ["127.45.0.1"]', 'hello', 'rejected'],
    ['requestPrincipals: ["*"]', 'rejected', 'rejected'],
  ];
  for (const [from, mesh, plain] of rows) {
    echo.apply(policy('ALLOW', `{ from: [{ source: { ${from} } }] }`));
    assert.deepEqual([await ask(), await ask(true)], [mesh, plain], from);
  }
  for (const [key, value, wanted] of [
    ['connection.sni', 'outbound_.9000_._.tcp-echo.*', 'hello'],
    ['connection.sni', 'other', 'rejected'],
    ['destination.ip', '127.45.0.2', 'hello'],
    ['destination.port', String(port), 'hello'],
    ['source.trustDomain', 'cluster.local', 'hello'],
    ['source.ip', '10.0.0.0/8', 'rejected'],
    ['experimental.envoy.filters.a[b]', 'c', 'rejected'],
  ]) {
    echo.apply(policy('ALLOW', `{ when: [{ key: "${key}", values: ["${value}"] }] }`));
    assert.equal(await ask(), wanted, `${key} ${value}`);
  }
});

test('nothing allows without a rule, a denial goes before what allows, and only tried policies decide nothing', async () => {
  echo.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: nothing }
spec: {}`);
  assert.equal(await ask(), 'rejected');
  echo.apply(policy('ALLOW', '{}'));
  assert.equal(await ask(), 'hello');
  echo.apply(policy('DENY', '{ from: [{ source: { namespaces: [default] } }] }', 'deny'));
  assert.equal(await ask(), 'rejected');
  const tried = policy('DENY', '{ from: [{ source: { namespaces: [default] } }] }', 'deny');
  echo.apply(tried.replace('name: deny', 'name: deny, annotations: { istio.io/dry-run: "true" }'));
  assert.equal(await ask(), 'hello');
});

test('policies that are only tried, and AUDIT, are counted and told, and decide nothing', async () => {
  const counted = (): Record<string, string> =>
    Object.fromEntries(echo.metrics().flatMap(({ name, value }) => (value === 0n ? [] : [[name, String(value)]])));
  const told = (): string[] => echo.logs.filter((line) => line.startsWith('info rbac '));
  const tried = (text: string): string =>
    text.replace('name: tried', 'name: tried, annotations: { istio.io/dry-run: "true" }');
  const caller = 'a connection to port PORT from cluster.local/ns/default/sa/sleep'.replace('PORT', String(port));
  const rows: readonly (readonly [yaml: string, counter: string, line: string | null])[] = [
    [
      policy('AUDIT', '{ to: [{ operation: { methods: [GET] } }] }', 'seen'),
      'rbac.audited',
      `audit: ns[default]-policy[seen]-rule[0] matches ${caller}`,
    ],
    [
      tried(policy('DENY', '{ from: [{ source: { namespaces: [default] } }] }', 'tried')),
      ...([
        'rbac.dry_run_deny.shadow_denied',
        `dry run: ns[default]-policy[tried]-rule[0] would deny ${caller}`,
      ] as const),
    ],
    [
      tried(policy('DENY', '{ from: [{ source: { namespaces: [other] } }] }', 'tried')),
      'rbac.dry_run_deny.shadow_allowed',
      null,
    ],
    [
      tried(policy('ALLOW', '{ from: [{ source: { namespaces: [default] } }] }', 'tried')),
      'rbac.dry_run_allow.shadow_allowed',
      null,
    ],
    [
      tried(policy('ALLOW', '{ to: [{ operation: { methods: [GET] } }] }', 'tried')),
      ...(['rbac.dry_run_allow.shadow_denied', `dry run: no policy would allow ${caller}`] as const),
    ],
  ];
  for (const [yaml, counter, line] of rows) {
    const before = counted();
    const lines = told().length;
    echo.unconfigure();
    echo.apply(yaml);
    assert.equal(await ask(), 'hello', yaml);
    const wanted = { ...before, [counter]: String(Number(before[counter] ?? 0) + 1) };
    assert.deepEqual(counted(), wanted, yaml);
    assert.deepEqual(told().slice(lines), line === null ? [] : [`info rbac ${line}`], yaml);
  }
});

test('what is only observed is counted of a connection that is denied, too', async () => {
  echo.apply(policy('DENY', '{}'), policy('AUDIT', '{}', 'both'));
  const audited = (): bigint => echo.metrics().find(({ name }) => name === 'rbac.audited')?.value ?? 0n;
  const before = audited();
  assert.equal(await ask(), 'rejected');
  assert.equal(audited() - before, 1n);
});

test('a connection that an authorizer would be asked about is denied: none is asked about bytes', async () => {
  echo.apply(
    `
apiVersion: weft.dev/v1
kind: MeshConfig
metadata: { name: default }
spec: { extensionProviders: [{ name: asked, envoyExtAuthzHttp: { service: authz.default.svc.cluster.local, port: 8000 } }] }`,
    policy('CUSTOM', '{ from: [{ source: { ipBlocks: [127.45.0.1] } }] }').replace(
      'action:',
      'provider: { name: asked }, action:',
    ),
  );
  assert.equal(await ask(), 'rejected');
  assert.equal(await ask(true), 'hello');
  assert.equal(details[0], 'rbac_access_denied_matched_policy[ns[default]-policy[tcp-policy]-rule[0]]');
});
