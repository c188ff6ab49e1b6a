import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { NODE } from '../core/wasm/harness.ts';
import { allows, decide, type Fields, matched, NONE, PRODUCTPAGE, policy } from './authorization.ts';

describe('who calls', () => {
  test('principals match exactly, by prefix, by suffix or by presence; with or without spiffe://', () => {
    for (const value of [
      PRODUCTPAGE,
      `spiffe://${PRODUCTPAGE}`,
      'cluster.local/ns/default/*',
      '*/bookinfo-productpage',
      '*',
    ]) {
      allows({ from: [{ source: { principals: [value] } }] }, [
        [{ principal: PRODUCTPAGE }, true],
        [{ principal: '' }, false],
      ]);
    }
    allows({ from: [{ source: { principals: [PRODUCTPAGE] } }] }, [[{ principal: `${PRODUCTPAGE}2` }, false]]);
  });

  test('an unknown caller is none of the principals, and satisfies only their negation', () => {
    allows({ from: [{ source: { notPrincipals: ['cluster.local/ns/default/sa/bookinfo-ratings'] } }] }, [
      [{ principal: '' }, true],
      [{ principal: PRODUCTPAGE }, true],
      [{ principal: 'cluster.local/ns/default/sa/bookinfo-ratings' }, false],
    ]);
    const anonymous = policy('known-only', {
      action: 'DENY',
      rules: [{ from: [{ source: { notPrincipals: ['*'] } }] }],
    });
    assert.equal(decide([anonymous], { principal: '' }), matched('known-only'));
    assert.equal(decide([anonymous], { principal: PRODUCTPAGE }), 'allowed');
  });

  test('no header makes a caller known', () => {
    const fields: Fields = [
      ['x-forwarded-client-cert', `URI=spiffe://${PRODUCTPAGE}`],
      ['source.principal', PRODUCTPAGE],
      ['x-envoy-peer-metadata', PRODUCTPAGE],
    ];
    allows({ from: [{ source: { principals: [PRODUCTPAGE] } }] }, [[{ fields }, false]]);
  });

  test('namespaces, service accounts and trust domains are read from the principal', () => {
    const inOther = 'cluster.local/ns/other/sa/bookinfo-productpage';
    allows({ from: [{ source: { namespaces: ['default'] } }] }, [
      [{ principal: PRODUCTPAGE }, true],
      [{ principal: inOther }, false],
      [{}, false],
    ]);
    allows({ from: [{ source: { notNamespaces: ['other'] } }] }, [
      [{ principal: PRODUCTPAGE }, true],
      [{ principal: inOther }, false],
    ]);
    allows({ from: [{ source: { serviceAccounts: ['bookinfo-productpage'] } }] }, [
      [{ principal: PRODUCTPAGE }, true],
      [{ principal: inOther }, false],
    ]);
    allows({ from: [{ source: { serviceAccounts: ['other/bookinfo-productpage'] } }] }, [
      [{ principal: inOther }, true],
      [{ principal: PRODUCTPAGE }, false],
    ]);
    allows({ from: [{ source: { trustDomains: ['cluster.local'] } }] }, [
      [{ principal: PRODUCTPAGE }, true],
      [{ principal: 'evil/ns/default/sa/bookinfo-productpage' }, false],
    ]);
  });

  test('cluster.local stands for the trust domain of the mesh', () => {
    const rule = { from: [{ source: { principals: [PRODUCTPAGE] } }] };
    const node = { ...NODE, trustDomain: 'acme.example' };
    const principal = PRODUCTPAGE.replace('cluster.local', 'acme.example');
    assert.equal(decide([policy('p', { rules: [rule] })], { principal }, node), 'allowed');
  });

  test('ipBlocks match the address of the connection, IPv4, IPv6 and IPv4 in IPv6', () => {
    allows({ from: [{ source: { ipBlocks: ['10.1.0.0/16', '192.0.2.7', '2001:db8::/33'] } }] }, [
      [{ address: '10.1.255.3' }, true],
      [{ address: '10.2.0.1' }, false],
      [{ address: '192.0.2.7' }, true],
      [{ address: '192.0.2.8' }, false],
      [{ address: '::ffff:10.1.2.3' }, true],
      [{ address: '2001:db8:7fff::1' }, true],
      [{ address: '2001:db8:8000::1' }, false],
      [{ address: '2001:db9::1' }, false],
    ]);
    allows({ from: [{ source: { notIpBlocks: ['0.0.0.0/0'] } }] }, [
      [{ address: '10.1.2.3' }, false],
      [{ address: '::1' }, true],
    ]);
  });

  test('remote.ip is what a known caller forwarded last; an unknown caller is taken at its own address', () => {
    const fields: Fields = [['x-forwarded-for', '203.0.113.9, 198.51.100.4']];
    allows({ when: [{ key: 'remote.ip', values: ['198.51.100.0/24'] }] }, [
      [{ fields, principal: PRODUCTPAGE }, true],
      [{ fields }, false],
      [{ address: '198.51.100.77' }, true],
    ]);
    allows({ from: [{ source: { remoteIpBlocks: ['203.0.113.9'] } }] }, [[{ fields, principal: PRODUCTPAGE }, false]]);
  });

  test('a request principal is that of the token that was verified, and a header makes none', () => {
    const claims = { iss: 'https://issuer', sub: 'jason' };
    allows({ from: [{ source: { requestPrincipals: ['https://issuer/jason'] } }] }, [
      [{ claims }, true],
      [{ claims: { ...claims, sub: 'jason2' } }, false],
      [{ claims: { iss: 'https://issuer' } }, false],
      [{ fields: [['authorization', 'Bearer x']] }, false],
      [{ principal: 'https://issuer/jason' }, false],
    ]);
    for (const pattern of ['*', 'https://issuer/*', '*/jason']) {
      allows({ from: [{ source: { requestPrincipals: [pattern] } }] }, [
        [{ claims }, true],
        [{}, false],
      ]);
    }
    allows({ from: [{ source: { notRequestPrincipals: ['*/evil'] } }] }, [
      [{}, true],
      [{ claims }, true],
      [{ claims: { ...claims, sub: 'evil' } }, false],
    ]);
    allows({ when: [{ key: 'request.auth.principal', values: ['https://issuer/jason'] }] }, [
      [{ claims }, true],
      [{}, false],
    ]);
    for (const [pattern, iss, sub, expected] of [
      ['https://a/b/c', 'https://a/b', 'c', true],
      // Another issuer that is trusted as well must not be able to speak for this one's subjects.
      ['https://a/b/c', 'https://a', 'b/c', false],
      ['https://a/*', 'https://a', 'b/c', true],
      ['https://a/*', 'https://a/b', 'c', false],
      ['https://a/j*', 'https://a', 'jason', true],
      ['https://a/j*', 'https://a', 'kim', false],
      ['tenant-*', 'tenant-1', 'x', true],
      ['tenant-*', 'other', 'tenant-1', false],
      ['*/jason', 'https://any', 'jason', true],
      ['*.example/jason', 'https://a.example', 'jason', true],
      ['*.example/jason', 'https://a.test', 'jason', false],
      ['*son', 'https://any', 'jason', true],
      ['*son', 'https://son', 'kim', false],
    ] as const) {
      const claims = { iss, sub };
      allows({ from: [{ source: { requestPrincipals: [pattern] } }] }, [[{ claims }, expected]]);
      allows({ from: [{ source: { notRequestPrincipals: [pattern] } }] }, [[{ claims }, !expected]]);
    }
    const noToken = policy('jwt', { action: 'DENY', rules: [{ from: [{ source: { notRequestPrincipals: ['*'] } }] }] });
    assert.equal(decide([noToken]), matched('jwt'));
    assert.equal(decide([noToken], { claims }), 'allowed');
  });

  test('claims match as texts and as members of lists, nested ones too', () => {
    const when = (key: string, ...values: string[]) => ({ when: [{ key, values }] });
    allows(when('request.auth.claims[group]', 'admins', 'ops-*'), [
      [{ claims: { group: 'admins' } }, true],
      [{ claims: { group: ['users', 'ops-eu'] } }, true],
      [{ claims: { group: ['users'] } }, false],
      [{ claims: { group: [] } }, false],
      [{ claims: { group: 7 } }, false],
      [{ claims: { group: { admins: true } } }, false],
      [{ claims: {} }, false],
      [{}, false],
    ]);
    allows(when('request.auth.claims[realm][roles]', 'größer'), [
      [{ claims: { realm: { roles: ['größer'] } } }, true],
      [{ claims: { 'realm][roles': 'größer' } }, false],
      [{ claims: { realm: 'größer' } }, false],
    ]);
    allows({ when: [{ key: 'request.auth.claims[group]', notValues: ['guests'] }] }, [
      [{ claims: { group: ['users', 'guests'] } }, false],
      [{ claims: { group: ['users'] } }, true],
      [{}, true],
    ]);
    allows(when('request.auth.claims[scope]', 'read'), [
      [{ claims: { scope: 'write read' } }, true],
      [{ claims: { scope: 'write readonly' } }, false],
    ]);
    allows(when('request.auth.audiences', 'reviews'), [
      [{ claims: { aud: ['x', 'reviews'] } }, true],
      [{ claims: { aud: 'reviews' } }, true],
      [{ claims: { aud: 'x' } }, false],
    ]);
    allows(when('request.auth.presenter', 'client'), [
      [{ claims: { azp: 'client' } }, true],
      [{ claims: {} }, false],
    ]);
  });

  test("a condition on the metadata of Envoy's filters never allows, and never spares from a denial", () => {
    const rules = [{ when: [{ key: 'experimental.envoy.filters.a.b[c]', values: ['d'] }] }];
    assert.equal(decide([policy('p', { rules })]), NONE);
    assert.equal(decide([policy('p', { action: 'DENY', rules })]), matched('p'));
  });

  test('of several sources one is enough; all conditions of one have to hold', () => {
    const rule = {
      from: [
        { source: { namespaces: ['default'], notPrincipals: ['*/bookinfo-ratings'] } },
        { source: { ipBlocks: ['10.0.0.1'] } },
      ],
    };
    allows(rule, [
      [{ principal: PRODUCTPAGE }, true],
      [{ principal: 'cluster.local/ns/default/sa/bookinfo-ratings' }, false],
      [{ address: '10.0.0.1' }, true],
    ]);
  });

  test('a rule that can never match does not widen the others', () => {
    const unknown = { key: 'experimental.envoy.filters.a.b[c]', values: ['d'] };
    const rules = [{ when: [unknown] }, { from: [{ source: { ipBlocks: ['10.0.0.1'] } }] }];
    assert.equal(decide([policy('p', { rules })], { address: '10.0.0.1' }), 'allowed');
    assert.equal(decide([policy('p', { rules })]), NONE);
  });
});

describe('what is asked for', () => {
  const to = (operation: object) => ({ to: [{ operation }] });

  test('methods and their negation', () => {
    allows(to({ methods: ['GET', 'HEAD'] }), [
      [{ method: 'HEAD' }, true],
      [{ method: 'get' }, false],
      [{ method: 'POST' }, false],
    ]);
    allows(to({ notMethods: ['DELETE'] }), [
      [{ method: 'DELETE' }, false],
      [{ method: 'GET' }, true],
    ]);
  });

  test('paths match without the query', () => {
    allows(to({ paths: ['/reviews/0', '/api/*', '*/info'] }), [
      [{ path: '/reviews/0?x=/api/' }, true],
      [{ path: '/reviews/01' }, false],
      [{ path: '/api/' }, true],
      [{ path: '/x?/api/' }, false],
      [{ path: '/a/info?y' }, true],
      [{ path: '/Api/' }, false],
    ]);
    allows(to({ notPaths: ['/health'] }), [
      [{ path: '/health' }, false],
      [{ path: '/health?probe=1' }, false],
      [{ path: '/' }, true],
    ]);
  });

  test('paths of policies are read as paths of requests are: escapes in one form, other letters escaped', () => {
    allows(to({ paths: ['/caf\u00e9', '/a%2db', '/x%2fy', '/grün/{*}', '/z %*'] }), [
      [{ path: '/caf%C3%A9' }, true],
      [{ path: '/a-b' }, true],
      [{ path: '/x%2Fy' }, true],
      [{ path: '/x/y' }, false],
      [{ path: '/gr%C3%BCn/1' }, true],
      [{ path: '/z%20%' }, true],
    ]);
  });

  test('path templates: one segment, and any number of them', () => {
    allows(to({ paths: ['/foo/{*}/bar'] }), [
      [{ path: '/foo/x/bar' }, true],
      [{ path: '/foo//bar' }, false],
      [{ path: '/foo/x/y/bar' }, false],
    ]);
    allows(to({ paths: ['/foo/{**}'] }), [
      [{ path: '/foo/' }, true],
      [{ path: '/foo/a/b' }, true],
      [{ path: '/foo' }, false],
    ]);
    allows(to({ paths: ['/{**}/item/{*}/x'] }), [
      [{ path: '/a/item/b/item/c/x' }, true],
      [{ path: '/a/item/item/x/x' }, true],
      [{ path: '/a/item/c' }, false],
    ]);
    allows(to({ paths: ['/a*/{*}'] }), [
      [{ path: '/a*/b' }, true],
      [{ path: '/ab/b' }, false],
    ]);
  });

  test('hosts match without regard to case, with or without their port', () => {
    allows(to({ hosts: ['Reviews.Example', '*.internal'] }), [
      [{ host: 'reviews.example' }, true],
      [{ host: 'REVIEWS.example:9080' }, true],
      [{ host: 'a.internal:80' }, true],
      [{ host: 'reviews.example.evil' }, false],
      [{ host: 'reviews.example.' }, true],
      [{ host: 'reviews.example.:80' }, true],
      [{ host: 'a.internal.' }, true],
    ]);
    allows(to({ notHosts: ['admin.example'] }), [
      [{ host: 'Admin.example:1' }, false],
      [{ host: 'admin.example.:1' }, false],
      [{ host: 'x.example' }, true],
    ]);
  });

  test('ports are those of the application', () => {
    allows(to({ ports: ['9080', '80'] }), [
      [{ port: 9080 }, true],
      [{ port: 908 }, false],
      [{ port: 80 }, true],
    ]);
    allows(to({ notPorts: ['9080'] }), [
      [{ port: 9080 }, false],
      [{ port: 65535 }, true],
    ]);
  });

  test('all conditions of one operation have to hold, one of several operations is enough', () => {
    const rule = { to: [{ operation: { methods: ['GET'], paths: ['/a'] } }, { operation: { methods: ['POST'] } }] };
    allows(rule, [
      [{ method: 'GET', path: '/a' }, true],
      [{ method: 'GET', path: '/b' }, false],
      [{ method: 'POST', path: '/b' }, true],
    ]);
  });

  test('from, to and when have all to hold', () => {
    const rule = {
      from: [{ source: { namespaces: ['default'] } }],
      to: [{ operation: { methods: ['GET'] } }],
      when: [{ key: 'request.headers[x-team]', values: ['blue'] }],
    };
    const fields: Fields = [['X-Team', 'blue']];
    allows(rule, [
      [{ principal: PRODUCTPAGE, fields }, true],
      [{ principal: PRODUCTPAGE }, false],
      [{ fields }, false],
      [{ principal: PRODUCTPAGE, fields, method: 'PUT' }, false],
    ]);
  });
});
