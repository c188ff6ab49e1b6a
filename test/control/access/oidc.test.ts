import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { SignJWT, UnsecuredJWT } from 'jose';
import type { Grant } from '../../../control/access/caller.ts';
import { Oidc, type OidcOptions } from '../../../control/access/oidc.ts';
import { eventually, until } from '../../until.ts';
import { type ErrorBody, files, type Plane, startDataPlane, virtualService } from '../harness.ts';
import { DISCOVERY, type Issuer, startIssuer } from './issuer.ts';

const ADMIN: Grant = { role: 'admin', namespaces: null };
const OPERATOR: Grant = { role: 'operator', namespaces: ['shop'] };
const ROLES = {
  users: new Map([['oidc:root', [ADMIN]]]),
  groups: new Map([
    ['platform', [ADMIN]],
    ['shop', [OPERATOR]],
  ]),
};
const HOUR_MS = 3_600_000;

describe('a token of an OpenID Connect issuer', () => {
  let issuer: Issuer;
  const clock = { now: Date.parse('2031-01-01T00:00:00Z') };
  before(async () => {
    issuer = await startIssuer(() => clock.now);
  });
  after(() => issuer.close());
  const open = (more: Partial<OidcOptions> = {}, log: string[] = []) =>
    new Oidc({ issuer: issuer.url, clientId: 'mesh', ...more }, ROLES, {
      onLog: (line) => log.push(line),
      now: () => clock.now,
    });
  const refused = async (token: string, why: RegExp, oidc = open()): Promise<void> => {
    await assert.rejects(oidc.holder(token), (error: Error & { status: number }) => {
      assert.equal(error.status, 401);
      assert.match(error.message, why);
      assert.doesNotMatch(error.message, /\n/);
      return true;
    });
    assert.equal(oidc.known(token), null);
  };

  it('stands for its name, with the roles of its groups, until it ends', async () => {
    const oidc = open();
    const of = async (claims: object) => (await oidc.holder(await issuer.token(claims as never)))!;
    const end = clock.now + HOUR_MS + 60_000;
    assert.deepEqual(await of({ groups: ['shop', 'other', 7] }), {
      name: 'oidc:alice',
      grants: [OPERATOR],
      expires: end,
    });
    assert.deepEqual((await of({ groups: 'platform' })).grants, [ADMIN]);
    assert.deepEqual((await of({ groups: { a: 1 } })).grants, []);
    assert.deepEqual((await of({ sub: 'root', groups: ['shop', 'shop'] })).grants, [ADMIN, OPERATOR]);
    assert.deepEqual((await of({ aud: ['other', 'mesh'] })).grants, []);
    assert.equal((await of({ exp: 9e20 })).expires, 8.64e15);
    const other = open({ usernameClaim: 'email', groupsClaim: 'roles' });
    const mail = await other.holder(await issuer.token({ email: 'bob@x.test', roles: ['shop'] }));
    assert.deepEqual([mail!.name, mail!.grants], ['oidc:bob@x.test', [OPERATOR]]);
    for (const text of ['weft_ci_x', 'a.b', 'a.b.c.d', '', `${'x'.repeat(43)}`])
      assert.equal(await oidc.holder(text), null);
  });

  it('is refused in one line that says why, when it is anybody else’s, or not of now', async () => {
    const seconds = clock.now / 1_000;
    await refused(
      await issuer.token({ aud: 'shop' }),
      /^the token of http\S+ is not valid: it is for "shop", and not for mesh$/,
    );
    await refused(await issuer.token({ aud: undefined }), /it is for missing, and not for mesh$/);
    await refused(await issuer.token({ iss: 'https://other.test' }), /^the token is not one of http\S+$/);
    await refused(await issuer.token({ iss: `${issuer.url}/` }), /^the token is not one of/);
    await refused(await issuer.token({ exp: seconds - 61 }), /^the token of oidc:alice expired at 2030-12-31T23:58:59/);
    await refused(await issuer.token({ exp: undefined }), /its claim exp is missing$/);
    await refused(await issuer.token({ nbf: seconds + 61 }), /it counts from 2031-01-01T00:01:01\.000Z on$/);
    await refused(await issuer.token({ sub: undefined }), /its claim sub, the name, is missing$/);
    await refused(await issuer.token({ sub: 'a b' }), /its claim sub, the name, is "a b"$/);
    await refused(await issuer.token({ sub: 'x'.repeat(300) }), /the name, is "x{199}$/);
    const mail = open({ usernameClaim: 'email' });
    await refused(await issuer.token({ email: 'a@x.test', email_verified: false }), /a@x\.test is not verified$/, mail);
    // Clocks differ by a minute.
    const oidc = open();
    for (const claims of [{ exp: seconds - 59 }, { nbf: seconds + 59 }]) {
      assert.notEqual(await oidc.holder(await issuer.token(claims)), null);
    }
  });

  it('is refused with no signature, one by a secret, one of another key, or one that was changed', async () => {
    const seconds = clock.now / 1_000;
    const claims = { iss: issuer.url, aud: 'mesh', sub: 'alice', exp: seconds + 60 };
    await refused(new UnsecuredJWT(claims).encode(), /only signatures by RS256, .* are taken$/);
    // The public key as the secret.
    const secret = Buffer.from(JSON.stringify(issuer.keys[0].public));
    const shared = new SignJWT(claims).setProtectedHeader({ alg: 'HS256', kid: 'first' }).sign(secret);
    await refused(await shared, /only signatures by RS256, .* are taken$/);
    await refused(
      await issuer.token({}, await issuer.newKey('unknown')),
      /the issuer has no key such as it is signed by$/,
    );
    await refused(await issuer.token({}, await issuer.newKey('first')), /its signature is wrong$/);
    const [head, , signature] = (await issuer.token({})).split('.');
    const other = Buffer.from(JSON.stringify({ ...claims, sub: 'root' })).toString('base64url');
    await refused(`${head}.${other}.${signature}`, /its signature is wrong$/);
    await refused('eyJhbGciOiJSUzI1NiJ9.e30.AA', /^the token is not one of/);
    const rsa = await issuer.newKey('rsa', 'RS256');
    issuer.keys.push(rsa);
    clock.now += 20_000;
    assert.notEqual(await open().holder(await issuer.token({}, rsa)), null);
  });

  it('counts by the keys that the issuer has now, and it is not asked for each token', async () => {
    const oidc = open();
    await oidc.holder(await issuer.token({}));
    const before = issuer.asked;
    const next = await issuer.newKey('second');
    issuer.keys = [next, ...issuer.keys];
    // Within the pause: the key is not known yet.
    await refused(await issuer.token({}), /has no key such/, oidc);
    assert.equal(issuer.asked, before);
    clock.now += 10_001;
    assert.notEqual(await oidc.holder(await issuer.token({})), null);
    for (let n = 0; n < 20; n++) await oidc.holder(await issuer.token({ jti: `${n}` }));
    assert.equal(issuer.asked, before + 1);
    // One that it has no more is forgotten, some minutes later.
    const [, old] = issuer.keys;
    const kept = await issuer.token({}, old);
    assert.notEqual(await oidc.holder(kept), null);
    issuer.keys = [next];
    clock.now += 300_001;
    await oidc.holder(await issuer.token({}));
    await oidc.holder(await issuer.token({ jti: 'again' }, next));
    clock.now += 10_001;
    let tries = 0;
    await eventually(async () => refused(await issuer.token({ jti: `${tries++}` }, old), /has no key such/, oidc));
    assert.equal(oidc.known(kept), null);
  });

  it('counts on while the issuer is away, for a day, and then says so', async () => {
    const log: string[] = [];
    const oidc = open({}, log);
    await oidc.holder(await issuer.token({}));
    issuer.instead.set(DISCOVERY, { status: 503 });
    clock.now += HOUR_MS;
    const token = await issuer.token({});
    assert.equal((await oidc.holder(token))!.name, 'oidc:alice');
    assert.equal(oidc.known(token)!.name, 'oidc:alice');
    clock.now += 86_400_000;
    await assert.rejects(oidc.holder(await issuer.token({})), {
      status: 503,
      message: /^the keys of http\S+ are not known, so none of its tokens can be checked: http\S+ answered 503$/,
    });
    assert.deepEqual(log, [`the keys of ${issuer.url} cannot be had: ${issuer.url}${DISCOVERY} answered 503`]);
    issuer.instead.clear();
    clock.now += 10_001;
    assert.notEqual(await oidc.holder(await issuer.token({})), null);
    assert.equal(log[1], `the keys of ${issuer.url} are known again`);
  });

  it('cannot be checked where the issuer answers something else, and that is told in one line', async () => {
    const bad: [path: string, answer: Parameters<Issuer['instead']['set']>[1], why: RegExp][] = [
      [DISCOVERY, { status: 404 }, /openid-configuration answered 404$/],
      [DISCOVERY, { body: 'hello' }, /answered something that is no JSON object$/],
      [
        DISCOVERY,
        { body: { issuer: 'https://x.test', jwks_uri: '' } },
        /says that it is the issuer "https:\/\/x\.test", and not/,
      ],
      [DISCOVERY, { body: { issuer: issuer.url } }, /its jwks_uri is left out, and no https URL$/],
      [DISCOVERY, { body: { issuer: issuer.url, jwks_uri: 'file:///etc/passwd' } }, /is neither http nor https$/],
      [DISCOVERY, { status: 302, location: 'http://127.0.0.1:1/' }, /is redirected, which is not followed$/],
      [DISCOVERY, 'nothing', /did not answer within 300 ms$/],
      ['/keys', { body: '[]'.padEnd(300_000) }, /answers with more than 262144 bytes$/],
      ['/keys', { body: { keys: 'none' } }, /answered something that is no set of keys$/],
    ];
    for (const [path, answer, why] of bad) {
      const log: string[] = [];
      issuer.instead.set(path, answer);
      const timeoutMs = answer === 'nothing' ? 300 : 20_000;
      await assert.rejects(open({ timeoutMs }, log).holder(await issuer.token({})), { status: 503, message: why });
      assert.match(log.join('\n'), why);
      issuer.instead.clear();
    }
  });
});

describe('a control plane that takes tokens of an issuer', () => {
  let issuer: Issuer;
  let plane: Plane;
  before(async () => {
    issuer = await startIssuer();
    plane = await startDataPlane({ oidc: { issuer: issuer.url, clientId: 'mesh', timeoutMs: 20_000 }, roles: ROLES });
  });
  after(async () => {
    await plane.stop();
    await issuer.close();
  });
  const as = <T = ErrorBody>(token: string, method: string, path: string, body?: unknown) =>
    plane.call<T>(method, path, body, { headers: { authorization: `Bearer ${token}` } });

  it('knows who changed what, and holds everybody to their roles', async () => {
    const token = await issuer.token({ groups: ['shop'] });
    const { body: who } = await as<{ name: string; grants: Grant[] }>(token, 'GET', '/v1/whoami');
    assert.deepEqual([who.name, who.grants], ['oidc:alice', [OPERATOR]]);
    const text = virtualService('web').replace('  name: web', '  name: web\n  namespace: shop');
    assert.equal((await as(token, 'POST', '/v1/apply', files(text))).status, 200);
    const { body } = await as<{ items: { author: string }[] }>(token, 'GET', '/v1/revisions?limit=1');
    assert.equal(body.items[0].author, 'oidc:alice');
    const other = await as(token, 'POST', '/v1/apply', files(virtualService('elsewhere')));
    assert.match(
      other.body.error,
      /^oidc:alice \(operator of shop\) may not change VirtualService\/default\/elsewhere/,
    );
    const nobody = await as(await issuer.token({ sub: 'eve' }), 'GET', '/v1/whoami');
    assert.deepEqual(
      [nobody.status, nobody.body.error],
      [403, 'oidc:eve (without a role) may not GET /v1/whoami: that needs the role viewer'],
    );
    const { status, body: late } = await as(await issuer.token({ exp: 1 }), 'GET', '/v1/whoami');
    assert.deepEqual([status, /^the token of oidc:alice expired at 1970/.test(late.error)], [401, true]);
    assert.match(plane.log.join('\n'), /refused to 127\.0\.0\.1: the token of oidc:alice expired at/);
  });

  it('lets in no more who is revoked by name, at every control plane, until that is taken back', async () => {
    const other = await plane.another();
    const token = await issuer.token({ sub: 'carol', groups: ['shop'] });
    const headers = { authorization: `Bearer ${token}` };
    const status = async (to = plane.control) =>
      (await plane.call<ErrorBody>('GET', '/v1/whoami', undefined, { headers, to })).status;
    assert.deepEqual([await status(), await status(other)], [200, 200]);
    const set = (to: string, name: string) => plane.call<ErrorBody>('POST', `/v1/outsiders/${to}`, { name });
    assert.equal((await set('revoke', 'oidc:carol')).status, 200);
    const { body } = await plane.call<ErrorBody>('GET', '/v1/whoami', undefined, { headers });
    assert.match(body.error, /^oidc:carol was put out at \d{4}-\S+ by admin/);
    await until('the other knows', async () => (await status(other)) === 401);
    assert.equal((await as(await issuer.token({ groups: ['shop'] }), 'GET', '/v1/whoami')).status, 200);
    assert.equal((await set('revoke', 'oidc:carol')).body.error, 'oidc:carol is revoked already');
    assert.equal((await set('allow', 'oidc:nobody')).status, 404);
    for (const name of ['carol', 'oidc:', 'cert:'.padEnd(201, 'x')])
      assert.equal((await set('revoke', name)).status, 400);
    assert.equal((await as(await issuer.token({ groups: ['shop'] }), 'GET', '/v1/outsiders')).status, 403);
    // Kept, for those that start later.
    await plane.restart();
    assert.equal(await status(), 401);
    const { body: list } = await plane.call<{ name: string }[]>('GET', '/v1/outsiders');
    assert.deepEqual(
      list.map(({ name }) => name),
      ['oidc:carol'],
    );
    assert.equal((await set('allow', 'oidc:carol')).status, 200);
    assert.equal(await status(), 200);
    await until('the other knows', async () => (await status(other)) === 200);
  });

  it('takes its own tokens while the issuer is away, and says to others why theirs cannot be checked', async () => {
    issuer.instead.set(DISCOVERY, { status: 500 });
    const away = await startDataPlane({ oidc: { issuer: issuer.url, clientId: 'mesh' }, roles: ROLES });
    try {
      const headers = { authorization: `Bearer ${await issuer.token({ groups: ['shop'] })}` };
      for (let n = 0; n < 40; n++) {
        const { status, body } = await away.call<ErrorBody>('GET', '/v1/whoami', undefined, { headers });
        assert.deepEqual([status, /^the keys of \S+ are not known/.test(body.error)], [503, true]);
      }
      assert.equal((await away.call('GET', '/v1/whoami')).status, 200);
    } finally {
      issuer.instead.clear();
      await away.stop();
    }
  });
});
