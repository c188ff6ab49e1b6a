import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { NKey } from '../../bus/users/nkey.ts';
import type { ChangeResult, Difference } from '../../control/answers.ts';
import type { Resource } from '../../core/config/resource.ts';
import { type ErrorBody, files, type Plane, startDataPlane, virtualService } from './harness.ts';

interface Resources {
  readonly revision: number;
  readonly items: Resource[];
}

let plane: Plane;
before(async () => {
  plane = await startDataPlane();
});
after(() => plane.stop());

const revision = async () => (await plane.call<Resources>('GET', '/v1/resources')).body.revision;

describe('applying', () => {
  it('makes all of several files one revision and says what became of each resource', async () => {
    const first = await plane.call<ChangeResult>(
      'POST',
      '/v1/apply?message=first',
      files(virtualService('a'), virtualService('b')),
    );
    assert.equal(first.status, 200);
    assert.deepEqual([first.body.revision, first.body.parent], [1, 0]);
    const created = (key: string) => ({ key: `VirtualService/default/${key}`, change: 'created' });
    assert.deepEqual(first.body.changes, [created('a'), created('b')]);
    const second = await plane.call<ChangeResult>(
      'POST',
      '/v1/apply',
      files(virtualService('a'), virtualService('b', 'v2')),
    );
    assert.deepEqual(
      second.body.changes.map(({ change }) => change),
      ['unchanged', 'configured'],
    );
    assert.equal(second.body.revision, 2);
    assert.match(
      JSON.stringify(first.body.warnings),
      /VirtualService\/default\/a/,
      'a host that is not there is a warning',
    );
  });

  it('makes no revision when nothing changes', async () => {
    const again = await plane.call<ChangeResult>('POST', '/v1/apply', files(virtualService('a')));
    assert.deepEqual([again.status, again.body.revision, again.body.parent], [200, 2, 2]);
    assert.deepEqual(
      again.body.changes.map(({ change }) => change),
      ['unchanged'],
    );
  });

  it('tells with dryRun what would happen, and changes nothing', async () => {
    const dry = await plane.call<ChangeResult>('POST', '/v1/apply?dryRun=true', files(virtualService('c')));
    assert.deepEqual([dry.status, dry.body.revision, dry.body.changes[0].change], [200, 2, 'created']);
    assert.equal(await revision(), 2);
  });

  it('refuses everything when one resource is wrong, with every problem and its place', async () => {
    const wrong = await plane.call<ErrorBody>(
      'POST',
      '/v1/apply',
      files(
        virtualService('c'),
        virtualService('d').replace('http:', 'htp:'),
        'kind: Nothing\napiVersion: v1\nmetadata: {name: x}',
        '{ broken',
      ),
    );
    assert.equal(wrong.status, 422);
    assert.match(wrong.body.error, /^\d errors in the configuration: nothing was changed$/);
    const errors = wrong.body.problems!.filter(({ severity }) => severity === 'error');
    assert.deepEqual([...new Set(errors.map(({ file }) => file))], ['1.yaml', '2.yaml', '3.yaml']);
    const unknown = errors.find(({ code }) => code === 'field_unknown');
    assert.deepEqual([unknown?.pointer, unknown?.line], ['/spec/htp', 7]);
    assert.equal(await revision(), 2);
  });

  it('refuses an expression that no proxy could follow, with its line and the character', async () => {
    const telemetry = [
      'apiVersion: telemetry.istio.io/v1',
      'kind: Telemetry',
      'metadata: {name: errors}',
      'spec:',
      '  accessLogging:',
      '    - filter:',
      '        expression: response.status >= 500',
    ].join('\n');
    const wrong = await plane.call<ErrorBody>('POST', '/v1/apply?dryRun=true', files(telemetry));
    assert.equal(wrong.status, 422);
    const [{ file, line, pointer, code, message }] = wrong.body.problems!;
    assert.deepEqual(
      [file, line, pointer, code],
      ['0.yaml', 7, '/spec/accessLogging/0/filter/expression', 'expression'],
    );
    assert.equal(message, 'unknown name response.status, at character 1 of the expression');
  });

  it('refuses a resource that comes twice', async () => {
    const twice = await plane.call<ErrorBody>(
      'POST',
      '/v1/apply',
      files(virtualService('c'), virtualService('c', 'v2')),
    );
    assert.equal(twice.status, 422);
    assert.match(twice.body.problems![0].message, /VirtualService\/default\/c is defined twice/);
  });

  it('refuses a parent that is no longer the newest, and takes the one that is', async () => {
    const stale = await plane.call<ErrorBody>('POST', '/v1/apply?parent=1', files(virtualService('c')));
    assert.equal(stale.status, 409);
    assert.match(stale.body.error, /at revision 2, not 1/);
    const current = await plane.call<ChangeResult>('POST', '/v1/apply?parent=2', files(virtualService('c')));
    assert.deepEqual([current.status, current.body.revision], [200, 3]);
  });

  it('refuses a body that is too large, is no JSON, or is not of the shape', async () => {
    const large = await plane.call<ErrorBody>('POST', '/v1/apply', files(`# ${'x'.repeat(17 * 1024 * 1024)}`));
    assert.equal(large.status, 413);
    const cases: [unknown, RegExp, string?][] = [
      ['{', /JSON/i],
      [{}, /body must have required property 'files'/],
      [{ files: [] }, /body\/files must NOT have fewer than 1 items/],
      [{ files: [{ name: 'a' }] }, /body\/files\/0 must have required property 'text'/],
      [{ ...files(''), force: true }, /body has no field "force"/],
      [files(''), /querystring has no field "prune"/, '?prune=true'],
      [files(''), /querystring\/parent must be integer/, '?parent=x'],
    ];
    for (const [body, message, query = ''] of cases) {
      const { status, body: answer } = await plane.call<ErrorBody>('POST', `/v1/apply${query}`, body);
      assert.equal(status, 400);
      assert.match(answer.error, message);
    }
    const text = await plane.call('POST', '/v1/apply', '{}', { headers: { 'content-type': 'text/plain' } });
    assert.equal(text.status, 415);
    assert.equal(await revision(), 3);
  });

  it('compiles a change for whom its selectors name, tried or made', async () => {
    const policy = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: long, namespace: shop}
spec: {selector: {matchLabels: {app: cart}}, rules: [{to: [{operation: {paths: [/${'x'.repeat(70_000)}]}}]}]}
`;
    for (const query of ['', '?dryRun=true']) {
      const refused = await plane.call<ErrorBody>('POST', `/v1/apply${query}`, files(policy));
      assert.equal(refused.status, 422);
      const { file, line, message, resource, pointer } = refused.body.problems!.find(({ code }) => code === 'compile')!;
      assert.deepEqual([file, line, resource, pointer], ['0.yaml', 4, 'AuthorizationPolicy/shop/long', '/spec']);
      assert.match(
        message,
        /^it cannot be compiled for sidecars of the namespace shop with app=cart: 7\d+ is too many/,
      );
    }
  });
});

describe('reading', () => {
  it('finds resources by kind in any spelling, namespace and name', async () => {
    for (const kind of ['vs', 'VS', 'virtualservice', 'VirtualServices', 'VirtualService']) {
      const { body } = await plane.call<Resources>('GET', `/v1/resources?kind=${kind}`);
      assert.deepEqual(
        body.items.map(({ metadata }) => metadata.name),
        ['a', 'b', 'c'],
      );
    }
    const one = await plane.call<Resources>('GET', '/v1/resources?kind=vs&namespace=default&name=b');
    assert.deepEqual(one.body.items[0].spec, {
      hosts: ['b'],
      http: [{ route: [{ destination: { host: 'b', subset: 'v2' } }] }],
    });
    const none = await plane.call<Resources>('GET', '/v1/resources?kind=gateways');
    assert.deepEqual([none.status, none.body.items], [200, []]);
  });

  it('tells differences without changing anything', async () => {
    const { body } = await plane.call<{ revision: number; diffs: Difference[] }>(
      'POST',
      '/v1/diff',
      files(virtualService('a', 'v9'), virtualService('b', 'v2'), virtualService('new')),
    );
    assert.deepEqual(
      body.diffs.map(({ change, before, after }) => [change, before === null, after === null]),
      [
        ['configured', false, false],
        ['unchanged', false, false],
        ['created', true, false],
      ],
    );
    assert.match(JSON.stringify(body.diffs[0].after), /v9/);
    assert.equal(await revision(), 3);
    assert.equal((await plane.call('POST', '/v1/diff', files('{'))).status, 422);
  });
});

describe('history', () => {
  it('tells commits newest first, and one with what it changed', async () => {
    const { body } = await plane.call<{ revision: number; items: Record<string, unknown>[] }>(
      'GET',
      '/v1/revisions?limit=2',
    );
    assert.deepEqual([body.revision, body.items.map((item) => item.revision)], [3, [3, 2]]);
    const one = await plane.call('GET', '/v1/revisions/1');
    const { message, author, parent, upserts } = one.body as Record<string, unknown> & { upserts: { key: string }[] };
    assert.deepEqual([message, author, parent, upserts.length], ['first', 'admin', 0, 2]);
    assert.equal((await plane.call('GET', '/v1/revisions/0')).status, 404);
    assert.equal((await plane.call('GET', '/v1/revisions/x')).status, 400);
    const future = await plane.call<ErrorBody>('GET', '/v1/revisions/99');
    assert.deepEqual([future.status, future.body.error], [404, 'there is no revision 99: the newest is 3']);
  });

  it('deletes by key or file in one commit, telling what was not there', async () => {
    const some = await plane.call<ChangeResult>('POST', '/v1/delete', {
      keys: ['VirtualService/default/a', 'VirtualService/default/nope'],
    });
    assert.deepEqual([some.status, some.body.revision], [200, 4]);
    assert.deepEqual(
      some.body.changes.map(({ change }) => change),
      ['deleted', 'missing'],
    );
    const byFile = await plane.call<ChangeResult>('POST', '/v1/delete', files(virtualService('b')));
    assert.deepEqual([byFile.status, byFile.body.revision], [200, 5]);
    const none = await plane.call<ErrorBody>('POST', '/v1/delete', { keys: ['VirtualService/default/nope'] });
    assert.deepEqual([none.status, none.body.error], [404, 'not found: VirtualService/default/nope']);
    for (const body of [{}, { keys: [] }, { keys: ['x'], ...files('') }]) {
      assert.equal((await plane.call('POST', '/v1/delete', body)).status, 400);
    }
  });

  it('rolls back by a new commit with the old state', async () => {
    const back = await plane.call<ChangeResult>('POST', '/v1/rollback', { to: 1 });
    assert.deepEqual([back.status, back.body.revision, back.body.parent], [200, 6, 5]);
    assert.deepEqual(
      back.body.changes.map(({ key, change }) => `${key} ${change}`),
      ['VirtualService/default/a created', 'VirtualService/default/b created', 'VirtualService/default/c deleted'],
    );
    const { body } = await plane.call<Resources>('GET', '/v1/resources');
    assert.deepEqual(
      body.items.map(({ metadata }) => metadata.name),
      ['a', 'b'],
    );
    const same = await plane.call<ChangeResult>('POST', '/v1/rollback', { to: 1 });
    assert.deepEqual([same.body.revision, same.body.changes], [6, []]);
    const unknown = await plane.call<ErrorBody>('POST', '/v1/rollback', { to: 77 });
    assert.deepEqual([unknown.status, unknown.body.error], [404, 'there is no revision 77: the newest is 6']);
    const empty = await plane.call<ChangeResult>('POST', '/v1/rollback', { to: 0 });
    assert.deepEqual([empty.status, empty.body.revision], [200, 7]);
    assert.deepEqual((await plane.call<Resources>('GET', '/v1/resources')).body.items, []);
  });
});

describe('the API about itself', () => {
  it('describes every route in OpenAPI, with the shapes of errors', async () => {
    const { body } = await plane.call<{ paths: Record<string, Record<string, { responses: object }>> }>(
      'GET',
      '/docs/json',
    );
    assert.deepEqual(Object.keys(body.paths).sort(), [
      '/ready',
      '/v1/access',
      '/v1/access/{name}/revoke',
      '/v1/apply',
      '/v1/authority',
      '/v1/authority/rotate',
      '/v1/backup',
      '/v1/delete',
      '/v1/diff',
      '/v1/join',
      '/v1/modules',
      '/v1/modules/{digest}',
      '/v1/outsiders',
      '/v1/outsiders/allow',
      '/v1/outsiders/revoke',
      '/v1/proxies',
      '/v1/proxies/{id}/ask',
      '/v1/proxies/{id}/revoke',
      '/v1/proxies/{id}/user',
      '/v1/resources',
      '/v1/restore',
      '/v1/restore/access',
      '/v1/restore/secrets',
      '/v1/revisions',
      '/v1/revisions/{n}',
      '/v1/revisions/{n}/rollout',
      '/v1/rollback',
      '/v1/secrets',
      '/v1/secrets/{namespace}/{name}',
      '/v1/tokens',
      '/v1/tokens/{id}/revoke',
      '/v1/version',
      '/v1/whoami',
    ]);
    assert.deepEqual(Object.keys(body.paths['/v1/apply'].post.responses), ['200', '4XX', '5XX']);
    assert.equal((await plane.call('GET', '/docs')).status, 200);
    assert.deepEqual((await plane.call('GET', '/v1/version')).body, { version: '1.2.3', node: process.version });
  });

  it('names the shapes it speaks, and shows them under its own title', async () => {
    const { body } = await plane.call<{ components: { schemas: Record<string, object> } }>('GET', '/docs/json');
    const { schemas } = body.components;
    const named = [
      'Change',
      'Error',
      'Files',
      'History',
      'KeyChange',
      'Problem',
      'Proxy',
      'Resource',
      'Revision',
      'Rollout',
    ];
    assert.deepEqual(
      named.filter((name) => schemas[name] === undefined),
      [],
    );
    const text = JSON.stringify(body);
    for (const [, name] of text.matchAll(/"#\/components\/schemas\/(\w+)"/g)) assert.ok(schemas[name], name);
    assert.match(text, /"warnings":\{"type":"array","items":\{"\$ref":"#\/components\/schemas\/Problem"\}\}/);
    const page = String((await plane.call('GET', '/docs/')).body);
    assert.match(page, /<title>Weft control plane<\/title>/);
    const initializer = String((await plane.call('GET', '/docs/static/swagger-initializer.js')).body);
    assert.doesNotMatch(page + initializer, /fastify/i);
  });

  it('gives a proxy a user of NATS of its own, renews nothing for strangers, and puts it out by name', async () => {
    const { seed, publicKey } = NKey.generate('user');
    const identity = { namespace: 'shop', serviceAccount: 'api' };
    const ask = (body: unknown, headers?: Record<string, string>) =>
      plane.call<{ jwt: string } & ErrorBody>('POST', '/v1/proxies/p1/user', body, { headers });
    const { status, body } = await ask({ ...identity, publicKey });
    assert.equal(status, 200);
    const user = { ...plane.mesh.user('p1', identity), seed, jwt: body.jwt };
    const ended = Promise.withResolvers<void>();
    const proxy = await plane.mesh.open('proxy', {
      user: { ...user, enrol: () => Promise.reject(new Error('no')) },
      onConnection: (state) => state === 'disconnected' && ended.resolve(),
    });
    assert.equal((await proxy.config.load()).revision >= 0, true);
    const revoked = await plane.call<{ revoked: number }>('POST', '/v1/proxies/p1/revoke');
    assert.deepEqual(revoked.body, { revoked: 1 });
    await ended.promise;
    assert.equal((await ask({ ...identity, publicKey }, { authorization: '' })).status, 401);
    const bad = await ask({ ...identity, publicKey: 'UX' });
    assert.deepEqual([bad.status, bad.body.error], [400, 'that is no public key of a NATS user (U...)']);
    assert.equal((await ask({ namespace: 'shop' })).status, 400);
  });

  it('says in one line what does not exist', async () => {
    const { status, body } = await plane.call<ErrorBody>('GET', '/v1/nothing?x=1');
    assert.deepEqual([status, body], [404, { error: 'there is no GET /v1/nothing; see /docs' }]);
  });

  it('says so when its port is in use', async () => {
    const port = Number(new URL(plane.control.url).port);
    await assert.rejects(plane.another({ port }), new RegExp(`^Error: port ${port} on 127.0.0.1 is in use`));
  });
});

const samples = join(import.meta.dirname, '../../../shared/samples/istio/bookinfo');
if (existsSync(samples)) {
  describe("Istio's Bookinfo", () => {
    it('applies file by file, unmodified', async () => {
      const names = ['bookinfo.yaml', ...readdirSync(join(samples, 'networking')).map((name) => `networking/${name}`)];
      assert.ok(names.length > 20);
      for (const name of names.filter((each) => each.endsWith('.yaml'))) {
        const text = readFileSync(join(samples, name), 'utf8');
        const { status, body } = await plane.call('POST', '/v1/apply', { files: [{ name, text }] });
        assert.equal(status, 200, `${name}: ${JSON.stringify(body)}`);
      }
    });
  });
}
