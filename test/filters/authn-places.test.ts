import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { bearer, type Request, refusal, rule, through, value } from './authentication.ts';
import { ISSUER, token } from './tokens.ts';

const good = await token();
const bad = `${good.slice(0, -4)}AAAA`;

const believed = (rules: Parameters<typeof through>[0], request: Request): boolean => {
  const outcome = through(rules, request);
  assert.equal(refusal(outcome), null, JSON.stringify(request));
  return outcome.token !== null;
};

describe('where a token may stand', () => {
  test('by default behind Bearer, in whatever case, or in access_token', () => {
    for (const scheme of ['Bearer', 'bearer', 'BEARER', 'Bearer  ']) {
      assert.ok(believed([rule()], { fields: [['authorization', `${scheme} ${good}`]] }), scheme);
    }
    assert.ok(believed([rule()], { path: `/x?a=1&access_token=${good}&b=2` }));
    assert.ok(believed([rule()], { path: `/x?access%5ftoken=${good.replaceAll('.', '%2E')}` }));
    for (const path of ['/x', '/x?', '/x?access_token', '/x?xaccess_token=1', '/access_token=1']) {
      assert.equal(believed([rule()], { path }), false, path);
    }
  });

  test('only where the rule says, when it says', () => {
    const rules = [rule({ fromHeaders: [{ name: 'X-Token', prefix: 'Token ' }] })];
    assert.ok(believed(rules, { fields: [['x-token', `Token ${good}`]] }));
    assert.equal(believed(rules, bearer('nonsense')), false);
    assert.equal(believed(rules, { fields: [['x-token', 'Basic x']] }), false);
  });

  test('in a header without a prefix it is the whole value', () => {
    const rules = [rule({ fromHeaders: [{ name: 'x-jwt-assertion' }] })];
    assert.ok(believed(rules, { fields: [['x-jwt-assertion', good]] }));
    assert.notEqual(refusal(through(rules, { fields: [['x-jwt-assertion', '']] })), null);
  });

  test('in a parameter, each time that it occurs', () => {
    const rules = [rule({ fromParams: ['token'] })];
    assert.ok(believed(rules, { path: `/x?token=${good}` }));
    assert.ok(believed(rules, { path: `/x?token=${good}&token=${good}` }));
    assert.equal(refusal(through(rules, { path: `/x?token=${good}&token=${bad}` })), 'Jwt verification fails');
    assert.equal(refusal(through(rules, { path: `/x?token=${bad}&token=${good}` })), 'Jwt verification fails');
    assert.notEqual(refusal(through(rules, { path: '/x?token=' })), null);
  });

  test('in a cookie, quoted or not, among others', () => {
    const rules = [rule({ fromCookies: ['session'] })];
    assert.ok(believed(rules, { fields: [['cookie', `a=1; session=${good}; b=2`]] }));
    assert.ok(believed(rules, { fields: [['cookie', `session="${good}"`]] }));
    const several: Request = {
      fields: [
        ['cookie', 'a=1'],
        ['cookie', `session=${good}`],
      ],
    };
    assert.ok(believed(rules, several));
    assert.equal(believed(rules, { fields: [['cookie', `xsession=${bad}; other=${bad}`]] }), false);
    const outcome = through(rules, { fields: [['cookie', `session=${good}; session=${bad}`]] });
    assert.equal(refusal(outcome), 'Jwt verification fails');
  });
});

describe('what becomes of a token that holds', () => {
  const everywhere: Request = {
    path: `/x?a=%20&access_token=${good}&b=2`,
    fields: [
      ['authorization', `Bearer ${good}`],
      ['cookie', `a=1; session=${good}; b=2`],
    ],
  };
  const places = {
    fromHeaders: [{ name: 'Authorization', prefix: 'Bearer ' }],
    fromParams: ['access_token'],
    fromCookies: ['session'],
  };

  test('it is taken out of the request, and nothing else is', () => {
    const { head } = through([rule(places)], everywhere);
    assert.equal(value(head, 'authorization'), undefined);
    assert.equal(head.path, '/x?a=%20&b=2');
    assert.equal(value(head, 'cookie'), 'a=1; b=2');
    assert.equal(through([rule()], { path: `/x?access_token=${good}` }).head.path, '/x');
    const only: Request = { fields: [['cookie', `session=${good}`]] };
    assert.equal(value(through([rule({ fromCookies: ['session'] })], only).head, 'cookie'), undefined);
  });

  test('it stays where it is when the rule forwards it', () => {
    const { head } = through([rule({ ...places, forwardOriginalToken: true })], everywhere);
    assert.equal(value(head, 'authorization'), `Bearer ${good}`);
    assert.equal(head.path, everywhere.path);
    assert.equal(value(head, 'cookie'), everywhere.fields?.[1][1]);
  });

  test('its payload is handed on as it was signed', () => {
    const { head } = through([rule({ outputPayloadToHeader: 'x-payload' })], bearer(good));
    assert.equal(value(head, 'x-payload'), good.split('.')[1]);
  });

  test('texts, numbers and booleans become headers; what is something else or not there does not', async () => {
    const claims = {
      text: 'größe',
      number: 7,
      real: 1.5,
      yes: true,
      list: ['a'],
      object: { inner: 'deep' },
      'a.b': 'dotted',
      evil: 'x\r\ny: z',
    };
    const names = [...Object.keys(claims), 'object.inner', 'missing', 'object.missing', 'toString'];
    const outputClaimToHeaders = names.map((claim, i) => ({ header: `X-${i}`, claim }));
    const forged = names.map((_, i) => [`x-${i}`, 'forged'] as const);
    const { fields = [] } = bearer(await token(claims));
    const { head } = through([rule({ outputClaimToHeaders })], { fields: [...forged, ...fields] });
    const found = names.map((_, i) => value(head, `x-${i}`));
    assert.deepEqual(found, [
      Buffer.from('größe').toString('latin1'),
      ...['7', '1.5', 'true', undefined, undefined, 'dotted', undefined],
      ...['deep', undefined, undefined, undefined],
    ]);
  });

  test('its claims stay with the stream, nested, in lists and in words', async () => {
    const text = await token({
      scope: 'read write',
      groups: ['a', 'b', 7],
      roles: 'x y',
      realm: { access: { level: 'high' } },
    });
    const { token: verified } = through([rule({ spaceDelimitedClaims: ['roles'] })], bearer(text));
    assert.equal(JSON.parse(Buffer.from(verified!.payload).toString()).sub, 'jason');
    assert.equal(verified!.principal, `${ISSUER}/jason`);
    const texts = (path: string): string[] | null => {
      const bytes = verified!.values(path);
      if (bytes === null) return null;
      const view = Buffer.from(bytes);
      const found: string[] = [];
      for (let at = 2, count = view.readUInt16LE(0); count > 0; count--) {
        const end = at + 2 + view.readUInt16LE(at);
        found.push(view.toString('utf8', at + 2, end));
        at = end;
      }
      return found;
    };
    assert.deepEqual(texts('scope'), ['read', 'write']);
    assert.deepEqual(texts('roles'), ['x', 'y']);
    assert.deepEqual(texts('groups'), ['a', 'b']);
    assert.deepEqual(texts('realm\0access\0level'), ['high']);
    assert.deepEqual(texts('sub'), ['jason']);
    for (const path of ['exp', 'realm', 'missing', 'realm\0access\0level\0more', 'constructor', '__proto__']) {
      assert.equal(texts(path), null, path);
    }
    assert.equal(verified!.text('groups'), 'a,b,7');
    assert.equal(verified!.text('realm\0access\0level'), 'high');
  });

  test('one without a subject is a token of no principal', async () => {
    const { token: verified } = through([rule()], bearer(await token({ sub: undefined })));
    assert.equal(verified!.principal, '');
  });
});
