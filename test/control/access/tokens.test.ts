import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { NEEDS } from '../../../control/access/permissions.ts';
import type { Control } from '../../../control/main.ts';
import { eventually } from '../../until.ts';
import { type ErrorBody, files, type Plane, type Reply, startDataPlane, virtualService } from '../harness.ts';

interface Made {
  readonly token: string;
  readonly name: string;
  readonly expires: string;
}

let plane: Plane;
let other: Control;
before(async () => {
  plane = await startDataPlane();
  other = await plane.another();
});
after(() => plane.stop());

const create = (body: object) => plane.call<Made & ErrorBody>('POST', '/v1/access', body);

async function tokenOf(name: string, role: string, namespaces?: string[]): Promise<string> {
  const { status, body } = await create({ name, role, namespaces, ttlSeconds: 3_600 });
  assert.equal(status, 200, JSON.stringify(body));
  return body.token;
}

const as = <T = ErrorBody>(
  token: string,
  method: string,
  path: string,
  body?: unknown,
  to?: Control,
): Promise<Reply<T>> => plane.call<T>(method, path, body, { headers: { authorization: `Bearer ${token}` }, to });

const inShop = (name: string, subset = 'v1') =>
  files(virtualService(name, subset).replace(`  name: ${name}`, `  name: ${name}\n  namespace: shop`));

describe('the table of who may do what', () => {
  it('has every route of the API, and no other', async () => {
    const { body } = await plane.call<{ paths: Record<string, Record<string, { security?: unknown[] }>> }>(
      'GET',
      '/docs/json',
    );
    const routes = Object.entries(body.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, { security }]) => ({
        route: `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`,
        open: security?.length === 0,
      })),
    );
    assert.ok(routes.length > 15);
    for (const { route, open } of routes) assert.equal(NEEDS[route] === null, open, route);
    const described = routes.map(({ route }) => route);
    assert.deepEqual(
      Object.keys(NEEDS).filter((route) => route !== 'GET /' && !described.includes(route)),
      [],
    );
  });

  it('is what a viewer, an operator and an admin are held to', async () => {
    const roles = ['viewer', 'operator', 'admin'];
    const tokens = await Promise.all(roles.map((role) => tokenOf(`is-${role}`, role)));
    for (const [route, need] of Object.entries(NEEDS)) {
      if (need === null) continue;
      const [method, path] = route
        .replace(':digest', `sha256:${'0'.repeat(64)}`)
        .replace(':n', '77')
        .split(' ');
      for (const [at, token] of tokens.entries()) {
        const { status, body } = await as(token, method, path.replace(':id', 'x').replace(':name', 'x'), undefined);
        const enough: boolean = at >= roles.indexOf(need.role);
        assert.equal(status === 403, !enough, `${route} ${roles[at]}: ${status}`);
        if (!enough) {
          assert.match(
            body.error,
            new RegExp(`^is-${roles[at]} \\(${roles[at]}\\) may not ${method} /\\S+: that needs`),
          );
          assert.match(body.error, new RegExp(`that needs the role ${need.role}`));
        }
      }
    }
    assert.match(plane.log.join('\n'), /refused to 127\.0\.0\.1: is-viewer \(viewer\) may not POST \/v1\/apply/);
    assert.equal(plane.log.join('\n').includes(tokens[0]), false);
  });
});

describe('who has a token, in a backup', () => {
  interface Kept {
    readonly name: string;
    readonly record: string;
    readonly signature: string;
  }
  const kept = async (name: string): Promise<Kept> => {
    const { body } = await plane.call<{ access: Kept[] }>('GET', '/v1/backup');
    return body.access.find((each) => each.name === name)!;
  };
  const restore = (access: readonly unknown[], token = plane.control.token) =>
    as<Record<string, string[]> & ErrorBody>(token, 'POST', '/v1/restore/access', { access });

  it('comes back where there is nobody of that name, as a control plane of the mesh signed it and not otherwise', async () => {
    const token = await tokenOf('kept', 'viewer');
    const record = await kept('kept');
    assert.equal(record.record.includes(token.split('_')[2]), false);
    const { body: there } = await restore([record]);
    assert.deepEqual(there, { restored: [], there: ['kept'], foreign: [] });
    const changed = { ...record, name: 'other' };
    const admin = { ...record, record: record.record.replace('"viewer"', '"admin"') };
    const anothers = (await kept('is-admin')).signature;
    for (const each of [
      changed,
      admin,
      { ...record, signature: '' },
      { ...record, signature: anothers },
      { ...record, record: '' },
    ]) {
      assert.deepEqual((await restore([each])).body, { restored: [], there: [], foreign: [each.name] });
    }
    // As where NATS was lost.
    const bus = await plane.mesh.open('control');
    await bus.access.remove('kept');
    assert.deepEqual((await restore([record])).body, { restored: ['kept'], there: [], foreign: [] });
    for (const to of [plane.control, other]) {
      await eventually(async () => assert.equal((await as(token, 'GET', '/v1/whoami', undefined, to)).status, 200));
    }
    assert.match(plane.log.join('\n'), /admin restored the tokens kept/);
  });

  it('is revoked after a restore as it was before', async () => {
    const token = await tokenOf('late', 'viewer');
    const record = await kept('late');
    await plane.call('POST', '/v1/access/late/revoke');
    assert.deepEqual((await restore([record])).body.there, ['late']);
    assert.equal((await as(token, 'GET', '/v1/whoami')).status, 401);
  });

  it('is put back by admins alone, and what is no record is refused', async () => {
    const operator = await tokenOf('not-enough', 'operator');
    assert.equal((await restore([], operator)).status, 403);
    for (const each of [{}, { name: 'A', record: '', signature: '' }, { name: 'a', record: {}, signature: '' }]) {
      assert.equal((await restore([each])).status, 400);
    }
  });
});

describe('an operator of a namespace', () => {
  let token: string;
  before(async () => {
    token = await tokenOf('shop-ci', 'operator', ['shop']);
    assert.equal((await plane.call('POST', '/v1/apply', files(virtualService('elsewhere')))).status, 200);
  });

  it('changes what is in it, under its own name', async () => {
    assert.equal((await as(token, 'POST', '/v1/apply', inShop('cart'))).status, 200);
    const { body } = await plane.call<{ items: { author: string }[] }>('GET', '/v1/revisions?limit=1');
    assert.equal(body.items[0].author, 'shop-ci');
  });

  it('changes nothing outside of it, by whichever way', async () => {
    const { revision } = (await plane.call<{ revision: number }>('GET', '/v1/revisions')).body;
    const mixed = { files: [...inShop('cart', 'v2').files, ...files(virtualService('elsewhere', 'v9')).files] };
    const foreign = 'VirtualService/default/elsewhere';
    const clusterWide = 'apiVersion: v1\nkind: Namespace\nmetadata:\n  name: shop\n';
    const tries: [string, object, RegExp][] = [
      [
        '/v1/apply',
        files(virtualService('elsewhere', 'v9')),
        /change VirtualService\/default\/elsewhere: .* of default$/,
      ],
      ['/v1/apply?dryRun=true', files(virtualService('elsewhere')), /change VirtualService\/default\/elsewhere/],
      ['/v1/apply', { files: mixed.files.map((file, n) => ({ ...file, name: `${n}.yaml` })) }, /default\/elsewhere/],
      ['/v1/apply', files(clusterWide), /change Namespace\/shop: that needs the role operator of the whole mesh$/],
      ['/v1/diff', files(virtualService('elsewhere')), /default\/elsewhere/],
      ['/v1/delete', { keys: [foreign] }, /default\/elsewhere/],
      ['/v1/delete', { keys: ['VirtualService/shop/cart', foreign] }, /default\/elsewhere/],
      ['/v1/delete', files(virtualService('elsewhere')), /default\/elsewhere/],
      ['/v1/rollback', { to: 0 }, /default\/elsewhere/],
      ['/v1/restore', { resources: [] }, /that needs the role admin/],
      [
        '/v1/proxies/x~1.2.3.4~a.shop~d/user',
        { namespace: 'default', serviceAccount: 'a', publicKey: 'U' },
        /of default$/,
      ],
      [
        '/v1/proxies/x~1.2.3.4~a.default~d/user',
        { namespace: 'shop', serviceAccount: 'a', publicKey: 'U' },
        /of default$/,
      ],
      [
        '/v1/proxies/x~1.2.3.4~a.default~d/revoke',
        {},
        /may not revoke a\.default: that needs the role operator of default$/,
      ],
      ['/v1/proxies/a/revoke', {}, /may not revoke a: that needs the role operator of the whole mesh$/],
    ];
    for (const [path, body, says] of tries) {
      const answer = await as(token, 'POST', path, body);
      assert.equal(answer.status, 403, `${path} ${JSON.stringify(answer.body)}`);
      assert.match(answer.body.error, says);
      assert.match(answer.body.error, /^shop-ci \(operator of shop\) may not /);
    }
    assert.equal((await plane.call('GET', '/v1/revisions')).body.revision, revision);
  });

  it('rolls back what was only in it', async () => {
    const before = (await plane.call<{ revision: number }>('GET', '/v1/revisions')).body.revision;
    assert.equal((await as(token, 'POST', '/v1/apply', inShop('cart', 'v3'))).status, 200);
    assert.equal((await as(token, 'POST', '/v1/rollback', { to: before })).status, 200);
  });

  it('makes and revokes users of its own proxies', async () => {
    const id = 'sidecar~127.1.2.3~cart-1.shop~shop.svc.cluster.local';
    const user = { namespace: 'shop', serviceAccount: 'cart', publicKey: 'U' };
    const made = await as(token, 'POST', `/v1/proxies/${id}/user`, user);
    assert.deepEqual([made.status, made.body.error], [400, 'that is no public key of a NATS user (U...)']);
    assert.deepEqual((await as<object>(token, 'POST', `/v1/proxies/${id}/revoke`, {})).body, { revoked: 0 });
  });

  it('reads what is in it, and its viewer the same', async () => {
    const viewer = await tokenOf('shop-eye', 'viewer', ['shop']);
    for (const reader of [token, viewer]) {
      const all = await as<{ items: { metadata: { namespace: string } }[] }>(reader, 'GET', '/v1/resources');
      assert.deepEqual([...new Set(all.body.items.map(({ metadata }) => metadata.namespace))], ['shop']);
      const history = await as<{ items: { revision: number; author: string }[] }>(reader, 'GET', '/v1/revisions');
      assert.deepEqual([...new Set(history.body.items.map(({ author }) => author))], ['shop-ci']);
      assert.equal((await as(reader, 'GET', '/v1/revisions/1')).status, 403);
      const [newest] = history.body.items;
      assert.equal((await as(reader, 'GET', `/v1/revisions/${newest.revision}`)).status, 200);
      assert.deepEqual((await as<unknown>(reader, 'GET', '/v1/proxies')).body, []);
      assert.equal((await as(reader, 'GET', '/v1/backup')).status, 403);
    }
    assert.equal((await as(viewer, 'POST', '/v1/apply', inShop('cart', 'v7'))).status, 403);
  });
});

describe('a token', () => {
  it('is told once, stored as a hash, and listed with who made it and when it was used', async () => {
    const token = await tokenOf('ci', 'operator');
    assert.match(token, /^weft_ci_[\w-]{43}$/);
    assert.equal((await as(token, 'GET', '/v1/resources')).status, 200);
    const { body } = await plane.call<{ name: string; lastUsed: string }[]>('GET', '/v1/access');
    const { lastUsed, ...ci } = body.find(({ name }) => name === 'ci')! as Record<string, unknown>;
    assert.deepEqual(
      { ...ci, expires: '', createdAt: '' },
      {
        ...{ name: 'ci', role: 'operator', namespaces: null, state: 'valid', expires: '', createdAt: '' },
        ...{ createdBy: 'admin', revokedAt: null, revokedBy: null },
      },
    );
    assert.match(String(lastUsed), /^\d{4}-/);
    assert.equal(JSON.stringify(body).includes(token.slice(8)), false);
  });

  it('says whose it is', async () => {
    const token = await tokenOf('me', 'viewer', ['b', 'a', 'b']);
    const { body } = await as<Record<string, unknown>>(token, 'GET', '/v1/whoami');
    assert.deepEqual(
      { ...body, expires: '' },
      { name: 'me', grants: [{ role: 'viewer', namespaces: ['a', 'b'] }], expires: '', address: '127.0.0.1' },
    );
    const admin = (await plane.call('GET', '/v1/whoami')).body;
    const grants = [{ role: 'admin', namespaces: null }];
    assert.deepEqual(admin, { name: 'admin', grants, expires: null, address: '127.0.0.1' });
  });

  it('is known at once to every control plane, and so is that it was revoked', async () => {
    const token = await tokenOf('both', 'viewer');
    assert.equal((await as(token, 'GET', '/v1/resources', undefined, other)).status, 200);
    assert.equal((await plane.call('POST', '/v1/access/both/revoke', {})).status, 200);
    const here = await as(token, 'GET', '/v1/resources');
    assert.equal(here.status, 401);
    assert.match(here.body.error, /^the token both was revoked at \d{4}-.*: send "Authorization/);
    let there = await as(token, 'GET', '/v1/resources', undefined, other);
    for (let tries = 0; there.status !== 401 && tries < 500; tries++) {
      await delay(20);
      there = await as(token, 'GET', '/v1/resources', undefined, other);
    }
    assert.match(there.body.error, /was revoked/);
    assert.match(plane.log.join('\n'), /refused to 127\.0\.0\.1: the token both was revoked/);
    assert.equal((await plane.call('POST', '/v1/access/both/revoke', {})).status, 409);
    // The name is free for another one, and the old one stays out.
    const next = await tokenOf('both', 'viewer');
    assert.equal((await as(next, 'GET', '/v1/resources')).status, 200);
    assert.equal((await as(token, 'GET', '/v1/resources')).status, 401);
  });

  it('is known again after a restart', async () => {
    const token = await tokenOf('stays', 'viewer');
    await plane.restart();
    assert.equal((await as(token, 'GET', '/v1/resources')).status, 200);
  });

  it('is refused in one line when it cannot be', async () => {
    await tokenOf('taken', 'viewer');
    const wrong: [object, number, RegExp][] = [
      [
        { name: 'taken', role: 'admin', ttlSeconds: 60 },
        409,
        /^there is a token taken, created by admin: revoke it first$/,
      ],
      [{ name: 'admin', role: 'viewer', ttlSeconds: 60 }, 409, /the files of the control planes/],
      [{ name: 'Big', role: 'viewer', ttlSeconds: 60 }, 400, /body\/name must match pattern/],
      [{ name: 'a', role: 'root', ttlSeconds: 60 }, 400, /body\/role must be equal to one of/],
      [{ name: 'a', role: 'viewer', ttlSeconds: 1 }, 400, /body\/ttlSeconds must be >= 60/],
      [{ name: 'a', role: 'viewer' }, 400, /ttlSeconds/],
      [{ name: 'a', role: 'viewer', namespaces: [], ttlSeconds: 60 }, 400, /namespaces must NOT have fewer than 1/],
      [{ name: 'a', role: 'admin', namespaces: ['shop'], ttlSeconds: 60 }, 400, /^an admin is one of the whole mesh/],
    ];
    for (const [body, status, says] of wrong) {
      const answer = await create(body);
      assert.equal(answer.status, status, JSON.stringify(body));
      assert.match(answer.body.error, says);
    }
    assert.equal((await plane.call('POST', '/v1/access/nobody/revoke', {})).status, 404);
    for (const token of ['weft_ci_x', `weft_ci_${'A'.repeat(43)}`, `weft_nobody_${'A'.repeat(43)}`, 'weft__', 'x']) {
      const { status, body } = await as(token, 'GET', '/v1/resources');
      assert.deepEqual([status, body.error.split(':')[0]], [401, 'the token is not valid']);
    }
  });
});
