import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { allows, decide, type Fields, matched, PRODUCTPAGE, policy, type Request } from './authorization.ts';

describe('conditions', () => {
  test('headers: exact, prefix, suffix, presence, absence', () => {
    const when = (key: string, values?: string[], notValues?: string[]) => ({ when: [{ key, values, notValues }] });
    const ua = (value: string): Request => ({ fields: [['User-Agent', value]] });
    allows(when('request.headers[User-Agent]', ['curl/*', '*Firefox']), [
      [ua('curl/8.1'), true],
      [ua('Mozilla Firefox'), true],
      [ua('wget'), false],
      [{}, false],
    ]);
    allows(when('request.headers[user-agent]', ['*']), [
      [ua('x'), true],
      [{}, false],
    ]);
    allows(when('request.headers[user-agent]', undefined, ['curl*']), [
      [ua('curl'), false],
      [ua('wget'), true],
      [{}, true],
    ]);
  });

  test('a header that was sent twice is the values joined, so that a second one cannot pass a filter by', () => {
    const fields: Fields = [
      ['x-team', 'blue'],
      ['x-team', 'red'],
    ];
    allows({ when: [{ key: 'request.headers[x-team]', values: ['blue'] }] }, [[{ fields }, false]]);
    allows({ when: [{ key: 'request.headers[x-team]', values: ['blue, red'] }] }, [[{ fields }, true]]);
  });

  test('each value of a header that was sent twice, or as a list, speaks against a request', () => {
    const sent = (...values: string[]): Request => ({ fields: values.map((value) => ['X-Team', value]) });
    const rules = [{ when: [{ key: 'request.headers[x-team]', values: ['red', 'dark*'] }] }];
    const deny = policy('deny', { action: 'DENY', rules });
    for (const request of [
      sent('red'),
      sent('blue', 'red'),
      sent('red', 'blue'),
      sent('blue, red'),
      sent('blue', 'darker, x'),
    ]) {
      assert.equal(decide([deny], request), matched('deny'), JSON.stringify(request));
    }
    assert.equal(decide([deny], sent('blue', 'reddish')), 'allowed');
    allows({ when: [{ key: 'request.headers[x-team]', notValues: ['red'] }] }, [
      [sent('blue', 'red'), false],
      [sent('blue', 'green'), true],
    ]);
    const unless = [{ when: [{ key: 'request.headers[x-team]', notValues: ['red'] }] }];
    assert.equal(decide([policy('u', { action: 'DENY', rules: unless })], sent('red', 'blue')), matched('u'));
  });

  test('a header without a value is there', () => {
    const rules = [{ when: [{ key: 'request.headers[x-debug]', values: ['*'] }] }];
    const deny = policy('deny', { action: 'DENY', rules });
    assert.equal(decide([deny], { fields: [['X-DEBUG', '']] }), matched('deny'));
    assert.equal(decide([deny]), 'allowed');
  });

  test('source.* and destination.* keys', () => {
    const is = (key: string, value: string) => ({ when: [{ key, values: [value] }] });
    allows(is('source.ip', '127.1.0.0/16'), [[{}, true]]);
    allows(is('source.namespace', 'default'), [[{ principal: PRODUCTPAGE }, true]]);
    allows(is('source.principal', PRODUCTPAGE), [[{ principal: PRODUCTPAGE }, true]]);
    allows(is('source.serviceAccount', 'bookinfo-productpage'), [[{ principal: PRODUCTPAGE }, true]]);
    allows(is('source.trustDomain', 'cluster.local'), [[{ principal: PRODUCTPAGE }, true]]);
    allows(is('destination.ip', '127.1.0.3'), [[{}, true]]);
    allows(is('destination.port', '9080'), [[{}, true]]);
    allows(is('connection.sni', '*'), [[{}, false]]);
  });

  test('both values and notValues of a condition have to hold', () => {
    allows({ when: [{ key: 'request.headers[x]', values: ['a*'], notValues: ['ab'] }] }, [
      [{ fields: [['x', 'ac']] }, true],
      [{ fields: [['x', 'ab']] }, false],
    ]);
  });
});
