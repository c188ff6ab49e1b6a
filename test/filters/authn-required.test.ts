// Rules that require a token (presence: REQUIRED): a request without one that each of them accepts is refused.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { KeySet } from '../../core/builtins/authn/key-set.ts';
import { NO_REMOTE_KEYS } from '../../core/builtins/authn/rules.ts';
import { authentication, bearer, filterOf, type Request, refusal, remote, rule, through } from './authentication.ts';
import { KEYS, token } from './tokens.ts';

const REQUIRED = rule({ presence: 'REQUIRED' });
const SCOPES = rule({ issuer: 'https://scope.example', fromHeaders: [{ name: 'x-scope' }], presence: 'REQUIRED' });
const MISSING = 'Jwt is missing';

const scoped = (): Promise<string> => token({ iss: 'https://scope.example' });

function both(first: string, second: string): Request {
  return {
    fields: [
      ['authorization', `Bearer ${first}`],
      ['x-scope', second],
    ],
  };
}

describe('where a rule requires a token', () => {
  test('a request without one is 401, and the challenge names no error', () => {
    const { reply } = through([REQUIRED], {});
    assert.equal(reply?.status, 401);
    assert.equal(Buffer.from(reply.body).toString(), MISSING);
    assert.equal(reply.details, 'jwt_authn_access_denied{Jwt_is_missing}');
    assert.deepEqual(reply.fields, [['www-authenticate', 'Bearer realm="http://reviews:9080/reviews/0"']]);
  });

  test('a request with one goes on, and a bad one is told as ever', async () => {
    assert.equal(refusal(through([REQUIRED], bearer(await token()))), null);
    assert.equal(refusal(through([REQUIRED], bearer(await token({ iss: 'b' })))), 'Jwt issuer is not configured');
    assert.equal(refusal(through([rule({ presence: 'OPTIONAL' })], {})), null);
  });

  test('each of several has to have its own', async () => {
    const rules = [REQUIRED, SCOPES];
    const send = filterOf([authentication('jwt', { jwtRules: rules })]);
    assert.equal(refusal(send(both(await token(), await scoped()))), null);
    assert.equal(refusal(send(bearer(await token()))), MISSING);
    assert.equal(refusal(send({ fields: [['x-scope', await scoped()]] })), MISSING);
    assert.equal(refusal(send({})), MISSING);
  });

  test('a token of a rule that requires none stands in for no other', async () => {
    const rules = [rule(), SCOPES];
    assert.equal(refusal(through(rules, bearer(await token()))), MISSING);
    assert.equal(refusal(through(rules, { fields: [['x-scope', await scoped()]] })), null);
  });

  test('one token is enough for all that accept it, of whichever policy and in whichever order', async () => {
    const other = rule({ presence: 'REQUIRED', audiences: ['shop'] });
    for (const rules of [
      [rule(), REQUIRED, other],
      [other, REQUIRED, rule()],
    ]) {
      const send = filterOf(rules.map((one, i) => authentication(`p${i}`, { jwtRules: [one] })));
      const good = bearer(await token({ aud: 'shop' }));
      for (let i = 0; i < 2; i++) assert.equal(refusal(send(good)), null);
      assert.equal(refusal(send(bearer(await token()))), MISSING);
    }
  });

  test('what is known of a token is asked again when the keys of a rule that requires one come or go', async () => {
    const fetched = rule({ presence: 'REQUIRED', jwks: undefined, jwksUri: 'https://keys.test' });
    const send = filterOf([authentication('jwt', { jwtRules: [rule(), fetched] })]);
    const request = bearer(await token());
    let keys: KeySet | null = null;
    remote.keys = { current: () => keys, missing: () => undefined };
    assert.equal(refusal(send(request)), MISSING);
    keys = new KeySet(KEYS);
    assert.equal(refusal(send(request)), null);
    keys = null;
    assert.equal(refusal(send(request)), MISSING);
    remote.keys = NO_REMOTE_KEYS;
  });

  test('a preflight needs none, and nothing else that only looks like one', () => {
    const from = ['origin', 'https://a.test'] as const;
    const asks = ['access-control-request-method', 'PUT'] as const;
    const send = filterOf([authentication('jwt', { jwtRules: [REQUIRED] })]);
    const told = (method: string, ...fields: (readonly [string, string])[]): string | null =>
      refusal(send({ method, fields }));
    assert.equal(told('OPTIONS', from, asks), null);
    assert.equal(told('GET', from, asks), MISSING);
    assert.equal(told('OPTIONS', from), MISSING);
    assert.equal(told('OPTIONS', asks), MISSING);
  });
});
