import assert from 'node:assert/strict';
import { createHmac, generateKeyPairSync } from 'node:crypto';
import { afterEach, describe, test } from 'node:test';

import { SignJWT } from 'jose';
import { authenticationConfig } from '../../core/builtins/authn/authn.ts';
import type { Configured } from '../../core/builtins/configured.ts';
import { NODE } from '../core/wasm/harness.ts';
import { authentication, bearer, clock, filterOf, refusal, rule, through, value } from './authentication.ts';
import { ALGORITHMS, compact, ISSUER, jwks, NOW_S, publicJwk, publicKey, token } from './tokens.ts';

const FORMAT = 'Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections';
const NO_MATCH = "Jwks doesn't have key to match kid or alg from Jwt";

afterEach(() => {
  clock.seconds = NOW_S;
});

describe('a token is believed', () => {
  for (const algorithm of ALGORITHMS) {
    test(`when it is signed by ${algorithm}, and not when a byte of it is another`, async () => {
      const good = await token({}, algorithm);
      const outcome = through([rule()], bearer(good));
      assert.equal(refusal(outcome), null);
      assert.equal(outcome.token?.principal, `${ISSUER}/jason`);
      const [header, payload, signature] = good.split('.');
      const bytes = Buffer.from(signature, 'base64url');
      bytes[bytes.length >> 1] ^= 1;
      const forged = `${header}.${payload}.${bytes.toString('base64url')}`;
      assert.equal(refusal(through([rule()], bearer(forged))), 'Jwt verification fails');
      const admin = Buffer.from(JSON.stringify({ iss: ISSUER, sub: 'admin' })).toString('base64url');
      assert.equal(refusal(through([rule()], bearer(`${header}.${admin}.${signature}`))), 'Jwt verification fails');
    });
  }

  test('without a key id, by any key of its kind', async () => {
    assert.equal(refusal(through([rule()], bearer(await token({}, 'RS256', { kid: undefined })))), null);
  });

  test('by the key that has no id, whatever id it names', async () => {
    const keys = JSON.stringify({ keys: [publicJwk('p256', { kid: undefined })] });
    assert.equal(refusal(through([rule({ jwks: keys })], bearer(await token()))), null);
  });

  test('again and again, until it expires', async () => {
    const send = filterOf([authentication('jwt', { jwtRules: [rule()] })]);
    const request = bearer(await token({ exp: NOW_S + 100 }));
    for (let i = 0; i < 3; i++) assert.equal(refusal(send(request)), null);
    clock.seconds = NOW_S + 159;
    assert.equal(refusal(send(request)), null);
    clock.seconds = NOW_S + 160;
    assert.equal(refusal(send(request)), 'Jwt is expired');
  });

  test('by one of several keys of the same id', async () => {
    const keys = [publicJwk('p384', { kid: 'k' }), publicJwk('rsa', { kid: 'k' }), publicJwk('p256', { kid: 'k' })];
    const two = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
    const set = JSON.stringify({ keys: [{ ...two, kid: 'k' }, ...keys] });
    assert.equal(refusal(through([rule({ jwks: set })], bearer(await token({}, 'ES256', { kid: 'k' })))), null);
  });

  test('without a time at which it expires', async () => {
    assert.equal(refusal(through([rule()], bearer(await token({ exp: undefined })))), null);
  });
});

describe('a request without a token', () => {
  test('passes, and speaks for nobody', () => {
    const outcome = through([rule()], {});
    assert.equal(refusal(outcome), null);
    assert.equal(outcome.token, null);
  });

  test('is one whose authorization is of another kind', () => {
    assert.equal(refusal(through([rule()], { fields: [['authorization', 'Basic amFzb246eA==']] })), null);
  });

  test('cannot write what the rules write', () => {
    const rules = [
      rule({
        outputPayloadToHeader: 'X-Jwt-Payload',
        outputClaimToHeaders: [{ header: 'X-Jwt-Sub', claim: 'sub' }],
      }),
    ];
    const { head } = through(rules, {
      fields: [
        ['x-jwt-payload', 'forged'],
        ['x-jwt-sub', 'admin'],
        ['x-jwt-sub', 'root'],
        ['x-other', 'kept'],
      ],
    });
    assert.equal(value(head, 'x-jwt-payload'), undefined);
    assert.equal(value(head, 'x-jwt-sub'), undefined);
    assert.equal(value(head, 'x-other'), 'kept');
  });
});

describe('a token is refused', () => {
  const refused = (text: string): string | null => refusal(through([rule()], bearer(text)));

  test('with 401, a challenge and details that name the reason', async () => {
    const { reply } = through([rule()], { ...bearer('a.b'), path: '/reviews/0?access=1' });
    assert.equal(reply?.status, 401);
    assert.equal(Buffer.from(reply.body).toString(), FORMAT);
    assert.equal(reply.details, `jwt_authn_access_denied{${FORMAT.replaceAll(' ', '_')}}`);
    const challenge = 'Bearer realm="http://reviews:9080/reviews/0", error="invalid_token"';
    assert.deepEqual(reply.fields, [['www-authenticate', challenge]]);
  });

  test('with the status UNAUTHENTICATED when a gRPC client sent it', () => {
    const { reply } = through([rule()], {
      fields: [
        ['authorization', 'Bearer x'],
        ['content-type', 'application/grpc'],
      ],
    });
    assert.equal(reply?.grpcStatus, 16);
  });

  test('that has not three parts', () => {
    for (const text of ['x', 'a.b', 'a.b.c.d', '..', 'a..c', '.b.c', 'a.b.']) assert.equal(refused(text), FORMAT, text);
    assert.equal(refusal(through([rule()], { fields: [['authorization', 'Bearer ']] })), FORMAT);
  });

  test('that is not base64url, or not JSON, or twice in one', () => {
    const payload = { iss: ISSUER };
    const header = { alg: 'ES256' };
    const good = Buffer.from(JSON.stringify(payload)).toString('base64url');
    assert.equal(refused(`e%.${good}.c2ln`), 'Jwt header is an invalid Base64url encoded');
    assert.equal(refused(`${compact(header, payload)}=`), 'Jwt signature is an invalid Base64url encoded');
    assert.equal(refused(compact('{', payload)), 'Jwt header is an invalid JSON');
    assert.equal(refused(compact('[1]', payload)), 'Jwt header is an invalid JSON');
    assert.equal(refused(compact('{"alg":"none","alg":"ES256"}', payload)), 'Jwt header is an invalid JSON');
    const [encoded] = compact(header, payload).split('.');
    assert.equal(refused(`${encoded}.e+.c2ln`), 'Jwt payload is an invalid Base64url encoded');
    assert.equal(refused(compact(header, 'null')), 'Jwt payload is an invalid JSON');
    assert.equal(refused(compact(header, '{"iss":"a","\\u0069ss":"b"}')), 'Jwt payload is an invalid JSON');
    assert.equal(
      refused(compact(header, `{"a":${'['.repeat(100)}${']'.repeat(100)}}`)),
      'Jwt payload is an invalid JSON',
    );
  });

  test('whose signature is none, or made with a public key taken for a secret', () => {
    const payload = { iss: ISSUER, sub: 'admin', exp: NOW_S + 60 };
    for (const alg of ['none', 'None', 'HS256', 'HS512', 'RS1', 'toString', '__proto__']) {
      assert.equal(refused(compact({ alg, kid: 'rsa' }, payload)), 'Jwt header [alg] is not supported', alg);
    }
    assert.equal(refused(compact({ kid: 'rsa' }, payload)), 'Jwt header [alg] field is required and must be a string');
    const pem = publicKey('rsa').export({ format: 'pem', type: 'spki' });
    const unsigned = compact({ alg: 'HS256', kid: 'rsa' }, payload).split('.').slice(0, 2).join('.');
    const signature = createHmac('sha256', pem).update(unsigned).digest('base64url');
    assert.equal(refused(`${unsigned}.${signature}`), 'Jwt header [alg] is not supported');
  });

  test('whose algorithm is not that of the key it names', async () => {
    assert.equal(refused(await token({}, 'ES256', { kid: 'rsa' })), NO_MATCH);
    assert.equal(refused(await token({}, 'ES256', { kid: 'unknown' })), NO_MATCH);
    const only = JSON.stringify({ keys: [publicJwk('rsa', { alg: 'RS512' })] });
    assert.equal(refusal(through([rule({ jwks: only })], bearer(await token({}, 'RS256')))), NO_MATCH);
  });

  test('when no key may verify it: for encryption, a secret, too short, none at all', async () => {
    const secret = { kty: 'oct', kid: 'p256', k: 'c2VjcmV0' };
    for (const keys of [
      [],
      [publicJwk('p256', { use: 'enc' })],
      [publicJwk('p256', { key_ops: ['sign'] })],
      [secret],
    ]) {
      const outcome = through([rule({ jwks: JSON.stringify({ keys }) })], bearer(await token()));
      assert.equal(refusal(outcome), "Jwks doesn't have any valid public key");
    }
  });

  test('that is expired or not valid yet, beyond a minute of difference between clocks', async () => {
    assert.equal(refused(await token({ exp: NOW_S - 59 })), null);
    assert.equal(refused(await token({ exp: NOW_S - 60 })), 'Jwt is expired');
    assert.equal(refused(await token({ exp: 0 })), 'Jwt is expired');
    assert.equal(refused(await token({ nbf: NOW_S + 60 })), null);
    assert.equal(refused(await token({ nbf: NOW_S + 61 })), 'Jwt not yet valid');
  });

  test('whose claims are of the wrong type', () => {
    const header = { alg: 'ES256' };
    for (const [claims, text] of [
      [{ iss: 1 }, 'Jwt payload [iss] field is not a string'],
      [{ sub: {} }, 'Jwt payload [sub] field is not a string'],
      [{ aud: [1] }, 'Jwt payload [aud] field is not a string or string list'],
      [{ exp: '1' }, 'Jwt payload [exp] field is not an integer'],
      [{ exp: -1 }, 'Jwt payload [exp] field is not a positive 64 bit integer'],
      [{ exp: null }, 'Jwt payload [exp] field is not an integer'],
      [{ nbf: '' }, 'Jwt payload [nbf] field is not an integer'],
      [{ iat: '1' }, 'Jwt payload [iat] field is not an integer'],
      [{ iat: -1 }, 'Jwt payload [iat] field is not a positive 64 bit integer'],
      [{ jti: 7 }, 'Jwt payload [jti] field is not a string'],
    ] as const) {
      assert.equal(refused(compact(header, { iss: ISSUER, ...claims })), text);
    }
    assert.equal(refused(compact({ alg: 'ES256', kid: 7 }, {})), 'Jwt header [kid] field is not a string');
    assert.equal(refused(compact({ alg: 'ES256', crit: ['b64'] }, {})), 'Jwt header [crit] is not supported');
  });

  test('of an issuer that no rule names, or of none', async () => {
    assert.equal(refused(await token({ iss: 'https://evil.example' })), 'Jwt issuer is not configured');
    assert.equal(refused(await token({ iss: undefined })), 'Jwt issuer is not configured');
  });

  test('for another audience, with 403', async () => {
    const rules = [rule({ audiences: ['reviews', 'https://bookinfo.example/'] })];
    for (const aud of ['reviews', ['x', 'reviews'], 'bookinfo.example', 'http://bookinfo.example']) {
      assert.equal(refusal(through(rules, bearer(await token({ aud })))), null, String(aud));
    }
    for (const aud of ['ratings', [], undefined, 'reviews2']) {
      const outcome = through(rules, bearer(await token({ aud })));
      assert.equal(refusal(outcome), 'Audiences in Jwt are not allowed', String(aud));
      assert.equal(outcome.reply?.status, 403);
    }
  });

  test('that is huge, unread', async () => {
    assert.equal(refused(await token({ fill: 'x'.repeat(20_000) })), 'Jwt is too large');
    assert.equal(refused(`a.${'b'.repeat(50_000)}.c`), 'Jwt is too large');
  });

  test('when one of two headers carries a good one', async () => {
    const good = await token();
    const { fields = [] } = bearer(good);
    const twice = { fields: [...fields, ['authorization', 'Bearer x'] as const] };
    assert.equal(refusal(through([rule()], twice)), FORMAT);
    const behind = { fields: [['authorization', 'Basic eDp5'] as const, ['authorization', 'Bearer x'] as const] };
    assert.equal(refusal(through([rule()], behind)), FORMAT);
    assert.equal(refusal(through([rule()], { fields: [['authorization', 'Basic eDp5, bearer x']] })), FORMAT);
    const both = { fields: [['authorization', 'Basic eDp5'] as const, ...fields] };
    assert.equal(through([rule()], both).token?.principal, `${ISSUER}/jason`);
  });

  test('that follows its scheme after a tab, which some applications take for a space', () => {
    assert.equal(refusal(through([rule()], { fields: [['authorization', 'Bearer\tx']] })), FORMAT);
    assert.equal(refusal(through([rule()], { fields: [['authorization', 'Bearer \t x']] })), FORMAT);
  });

  test('that is encrypted: nobody here can read it', () => {
    const header = Buffer.from('{"alg":"RSA-OAEP-256","enc":"A256GCM"}').toString('base64url');
    assert.equal(refused(`${header}.a2V5.aXY.Y2lwaGVydGV4dA.dGFn`), FORMAT);
    assert.equal(refused(`${header}.e30.c2ln`), 'Jwt header [alg] is not supported');
  });

  test('whose key id is a place, a list or a number, or whose header brings its own key', async () => {
    for (const kid of ['../../dev/null', 'https://evil.example/keys', "' OR 1=1", '']) {
      assert.equal(refused(await token({}, 'ES256', { kid })), NO_MATCH, kid);
    }
    for (const kid of [['p256'], 0, null, { a: 1 }]) {
      assert.equal(refused(compact({ alg: 'ES256', kid }, { iss: ISSUER })), 'Jwt header [kid] field is not a string');
    }
    const { privateKey, publicKey: own } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = own.export({ format: 'jwk' });
    const forged = await new SignJWT({ iss: ISSUER, sub: 'admin' })
      .setProtectedHeader({
        alg: 'ES256',
        kid: 'p256',
        jwk,
        jku: 'https://evil.example/keys',
        x5u: 'https://evil.example',
      })
      .sign(privateKey);
    assert.equal(refused(forged), 'Jwt verification fails');
  });

  test('whose signature is a zero that broken implementations accept, or in another encoding', async () => {
    const [header, payload, signature] = (await token()).split('.');
    const zero = Buffer.alloc(64).toString('base64url');
    assert.equal(refused(`${header}.${payload}.${zero}`), 'Jwt verification fails');
    const raw = Buffer.from(signature, 'base64url');
    const der = Buffer.concat([
      Buffer.from([0x30, 68, 2, 32]),
      raw.subarray(0, 32),
      Buffer.from([2, 32]),
      raw.subarray(32),
    ]);
    assert.equal(refused(`${header}.${payload}.${der.toString('base64url')}`), 'Jwt verification fails');
    assert.equal(
      refused(`${header}.${payload}.${raw.subarray(0, 63).toString('base64url')}`),
      'Jwt verification fails',
    );
  });

  test('in its own casing of the issuer, or with a slash more', async () => {
    for (const iss of [ISSUER.toUpperCase(), `${ISSUER}/`, ` ${ISSUER}`, `${ISSUER}\0`]) {
      assert.equal(refused(await token({ iss })), 'Jwt issuer is not configured', iss);
    }
  });
});

describe('rules of several issuers', () => {
  const other = 'https://other.example';

  test('each judge the tokens of their own', async () => {
    const rules = [rule({ jwks: jwks(['rsa']) }), rule({ issuer: other, jwks: jwks(['p256']) })];
    assert.equal(refusal(through(rules, bearer(await token({}, 'RS256')))), null);
    assert.equal(refusal(through(rules, bearer(await token({ iss: other })))), null);
    assert.equal(refusal(through(rules, bearer(await token()))), NO_MATCH);
  });

  test('of one issuer with different audiences: one of them is enough', async () => {
    const rules = [rule({ audiences: ['a'] }), rule({ audiences: ['b'] })];
    assert.equal(refusal(through(rules, bearer(await token({ aud: 'b' })))), null);
    assert.equal(refusal(through(rules, bearer(await token({ aud: 'c' })))), 'Audiences in Jwt are not allowed');
  });

  test('come from all policies that apply, in their order', async () => {
    const send = filterOf([
      authentication('a', { jwtRules: [rule({ fromHeaders: [{ name: 'x-a' }] })] }),
      authentication('b', { jwtRules: [rule({ issuer: other, fromHeaders: [{ name: 'x-b' }] })] }),
    ]);
    const [a, b] = [await token({ sub: 'a' }), await token({ iss: other, sub: 'b' })];
    const both = send({
      fields: [
        ['x-b', b],
        ['x-a', a],
      ],
    });
    assert.equal(both.token?.principal, `${ISSUER}/a`);
    assert.equal(send({ fields: [['x-b', b]] }).token?.principal, `${other}/b`);
    // Each place is for its own issuers, and a good token beside it excuses no bad one.
    assert.equal(refusal(send({ fields: [['x-b', a]] })), 'Jwt issuer is not configured');
    const mixed = send({
      fields: [
        ['x-a', a],
        ['x-b', 'bad'],
      ],
    });
    assert.equal(refusal(mixed), FORMAT);
  });

  test('are those of the workloads that the policy selects', () => {
    const one = (matchLabels: Record<string, string>): Configured | null =>
      authenticationConfig([authentication('x', { selector: { matchLabels }, jwtRules: [rule()] })], NODE);
    assert.notEqual(one({ app: 'reviews' }), null);
    assert.equal(one({ app: 'ratings' }), null);
    const elsewhere = authentication('x', { jwtRules: [rule()] }, { namespace: 'other' });
    assert.equal(authenticationConfig([elsewhere], NODE), null);
  });
});
