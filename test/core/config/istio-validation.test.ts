// What Istio's own validation takes is taken, and what it refuses is refused with its place.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { decodeYaml } from '../../../core/config/decode.ts';
import { unenforced } from '../../../core/config/unenforced.ts';

const API: Readonly<Record<string, string>> = {
  AuthorizationPolicy: 'security.istio.io/v1',
  RequestAuthentication: 'security.istio.io/v1',
};

function decode(kind: string, spec: string) {
  return decodeYaml(
    `apiVersion: ${API[kind] ?? 'networking.istio.io/v1'}\nkind: ${kind}\nmetadata: {name: a}\nspec: ${spec}\n`,
  );
}

const TO = 'route: [{destination: {host: a.test}}]';
const KEYS = `'{"keys": []}'`;
const PORT = 'ports: [{number: 80, name: http, protocol: HTTP}]';

/** Kind and spec; then what is told of it, if not all of it is enforced. */
const TAKEN: readonly (readonly [string, string, string?])[] = [
  ['DestinationRule', '{host: a, workloadSelector: {matchLabels: {app: a}}}'],
  [
    'DestinationRule',
    '{host: a, trafficPolicy: {loadBalancer: {backendUtilization: {a: 1}}}}',
    'load balancing by reported utilization',
  ],
  ['DestinationRule', '{host: a, trafficPolicy: {tls: {mode: SIMPLE, ecdhCurves: [P-256]}}}', 'TLS origination'],
  [
    'VirtualService',
    "{hosts: [a.test], http: [{route: [{destination: {host: '*.eu.example.com'}}]}]}",
    'destinations that are wildcards',
  ],
  ['VirtualService', `{hosts: [a.test], http: [{${TO}, mirror: {host: b.test}, mirror_percent: 5}]}`, 'mirroring'],
  ['VirtualService', `{hosts: [outbound_.80_._.a_b.test], http: [{${TO}}]}`],
  ['RequestAuthentication', `{jwtRules: [{jwks: ${KEYS}}]}`],
  ['RequestAuthentication', `{jwtRules: [{issuer: a, jwks: ${KEYS}, presence: REQUIRED}]}`, 'presence of tokens'],
  ['ServiceEntry', "{hosts: [a.test], ports: [{number: 80, name: http, protocol: ''}], resolution: DNS}"],
  ['VirtualService', `{hosts: [a.test], http: [{match: [{uri: {prefix: ''}}], ${TO}}]}`],
  [
    'ServiceEntry',
    '{hosts: [a.test, b.test], ports: [{number: 81, name: tcp, protocol: TCP}], resolution: NONE}',
    'TCP ports',
  ],
  ['ServiceEntry', `{hosts: [a.test], ${PORT}, resolution: NONE, addresses: [10.0.0.0/8], exportTo: ['~']}`],
  ['AuthorizationPolicy', '{rules: [{from: [{source: {ipBlocks: [001:db8::, "2001:db8::/32", 10.0.0.1]}}]}]}'],
  [
    'Gateway',
    "{servers: [{port: {number: 443, name: a, protocol: HTTPS}, hosts: ['*-a.test'], tls: {mode: SIMPLE, credentialName: a, ecdhCurves: [P-256]}}]}",
    'HTTPS servers of a gateway',
  ],
];

suite('taken', () => {
  for (const [kind, spec, what] of TAKEN) {
    test(`${kind} ${spec}`, () => {
      const { resources, problems } = decode(kind, spec);
      assert.deepEqual(problems, []);
      const told = unenforced(resources[0]).map(({ message }) => message);
      assert.equal(
        told.some((message) => message.includes(`: ${what} (`)),
        what !== undefined,
        told.join(),
      );
    });
  }

  test('a list of addresses that end in colons is read as Go reads it', () => {
    const { resources } = decode(
      'AuthorizationPolicy',
      '{rules: [{from: [{source: {ipBlocks: [001:db8::,fe80::]}}]}]}',
    );
    assert.match(JSON.stringify(resources[0].spec), /\["001:db8::","fe80::"\]/);
  });

  test('STATIC without endpoints, with a warning', () => {
    const { resources, problems } = decode('ServiceEntry', `{hosts: [a.test], ${PORT}, resolution: STATIC}`);
    assert.equal(resources.length, 1);
    assert.deepEqual(
      problems.map(({ severity, pointer }) => [severity, pointer]),
      [['warning', '/spec']],
    );
  });
});

const REFUSED: readonly (readonly [string, string, string])[] = [
  ['ServiceEntry', `{hosts: [a.test], ${PORT}, resolution: DNS, addresses: [10.0.0.1, 10.0.0.0/8]}`, 'addresses/1'],
  [
    'ServiceEntry',
    `{hosts: [a.test], ${PORT}, resolution: DNS_ROUND_ROBIN, endpoints: [{address: b.test}, {address: c.test}]}`,
    'endpoints/1',
  ],
  ['ServiceEntry', "{hosts: [a.test], ports: [{number: 80, name: '@', protocol: HTTP}]}", 'ports/0/name'],
  ['ServiceEntry', `{hosts: [a.test], ${PORT}, exportTo: ['~', a]}`, 'exportTo/0'],
  ['WorkloadEntry', "{address: 'unix:///dir/'}", 'address'],
  ['WorkloadEntry', "{address: 'unix:///'}", 'address'],
  ['WorkloadEntry', "{address: 10.0.0.1, ports: {'@': 80}}", 'ports/@'],
  ['VirtualService', `{hosts: ['*.bar', '*.foo.bar'], http: [{${TO}}]}`, 'hosts/1'],
  ['VirtualService', `{hosts: [a.foo.bar, '*.Foo.bar'], http: [{${TO}}]}`, 'hosts/1'],
  ['VirtualService', `{hosts: [a.test, A.test], http: [{${TO}}]}`, 'hosts/1'],
  ['VirtualService', `{hosts: [a.test], exportTo: ['*', a], http: [{${TO}}]}`, 'exportTo/0'],
  ['VirtualService', `{hosts: [a.test], exportTo: ['~'], http: [{${TO}}]}`, 'exportTo/0'],
  [
    'VirtualService',
    "{hosts: [a.test], http: [{route: [{destination: {host: '*'}}]}]}",
    'http/0/route/0/destination/host',
  ],
  [
    'VirtualService',
    '{hosts: [a.test], http: [{route: [{destination: {host: a, subset: v_1}}]}]}',
    'http/0/route/0/destination/subset',
  ],
  ['Gateway', '{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: [foo]}]}', 'servers/0/hosts/0'],
  [
    'Gateway',
    "{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ['ns/*bar.com']}]}",
    'servers/0/hosts/0',
  ],
  [
    'Gateway',
    "{servers: [{port: {number: 80, name: a, protocol: HTTP}, hosts: ['*']}, {port: {number: 81, name: a, protocol: HTTP}, hosts: ['*']}]}",
    'servers/1/port/name',
  ],
  [
    'DestinationRule',
    '{host: a, trafficPolicy: {connectionPool: {http: {http2KeepAlive: {interval: 1s}}}}}',
    'trafficPolicy/connectionPool/http/http2KeepAlive',
  ],
  [
    'DestinationRule',
    '{host: a, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}}}',
    'trafficPolicy/connectionPool/http/useClientProtocol',
  ],
  [
    'DestinationRule',
    '{host: a, trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 5}}}',
    'trafficPolicy/outlierDetection/consecutiveLocalOriginFailures',
  ],
  [
    'DestinationRule',
    '{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 9}}}}}',
    'trafficPolicy/loadBalancer/consistentHash/maglev/tableSize',
  ],
  [
    'DestinationRule',
    '{host: a, trafficPolicy: {tunnel: {targetHost: a, targetPort: 1}, proxyProtocol: {}}}',
    'trafficPolicy/proxyProtocol',
  ],
  ['DestinationRule', "{host: a, subsets: [{name: 'a b'}]}", 'subsets/0/name'],
  ['RequestAuthentication', '{jwtRules: [{audiences: [a]}]}', 'jwtRules/0'],
  [
    'VirtualService',
    `{hosts: [a.test], http: [{match: [{headers: {x: {prefix: ''}}}], ${TO}}]}`,
    'http/0/match/0/headers/x/prefix',
  ],
  ['VirtualService', `{hosts: [a.test], http: [{match: [{uri: {regex: ''}}], ${TO}}]}`, 'http/0/match/0/uri/regex'],
  [
    'VirtualService',
    `{hosts: [a.test], http: [{match: [{authority: {prefix: ''}}], ${TO}}]}`,
    'http/0/match/0/authority/prefix',
  ],
  [
    'VirtualService',
    `{hosts: [a.test], http: [{match: [{sourceNamespace: 'a b'}], ${TO}}]}`,
    'http/0/match/0/sourceNamespace',
  ],
  [
    'ServiceEntry',
    '{hosts: [a.test, b.test], ports: [{number: 80, name: http, protocol: HTTP}, {number: 81, name: tcp, protocol: TCP}], resolution: DNS}',
    'ports/1',
  ],
  [
    'Gateway',
    "{servers: [{port: {number: 80, name: a, protocol: HTTP}, bind: localhost, hosts: ['*']}]}",
    'servers/0/bind',
  ],
];

suite('refused', () => {
  for (const [kind, spec, place] of REFUSED) {
    test(`${kind} ${spec}`, () => {
      const { problems } = decode(kind, spec);
      assert.deepEqual(
        problems.map(({ severity, pointer }) => [severity, pointer]),
        [['error', `/spec/${place}`]],
        problems.map(({ message }) => message).join(),
      );
    });
  }
});
