// What Istio's validation takes and refuses of VirtualServices as a whole: hosts, gateways, delegation, TLS and TCP routes,
// destinations. Of the actions of HTTP routes http-actions.ts has the cases, of their matches http-matches.ts.

import type { Cases } from './cases.ts';

export const VIRTUAL_SERVICE_KIND = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService' };

const TO = 'route: [{destination: {host: foo.baz}}]';
const HTTP = `http: [{${TO}}]`;
const SNI = 'outbound_.15010_._.istiod.istio-system.svc.cluster.local';

const hosts = (list: string, gateways = ''): string =>
  `{hosts: [${list}]${gateways === '' ? '' : `, gateways: [${gateways}]`}, ${HTTP}}`;
const gateways = (list: string): string => hosts('foo.bar', list);
const exported = (list: string): string => `{hosts: [foo.bar], exportTo: [${list}], ${HTTP}}`;
const routed = (destinations: string): string => `{hosts: [foo.bar], http: [{route: [${destinations}]}]}`;
const to = (destination: string): string => routed(`{destination: {${destination}}}`);
const delegate = (fields: string): string =>
  `{hosts: [foo.bar], http: [{delegate: {name: a, namespace: b}, ${fields}}]}`;
const tcp = (fields: string, of = 'hosts: [foo.bar]'): string => `{${of}, tcp: [{${fields}}]}`;
const tls = (fields: string, of = 'hosts: [foo.bar]'): string => `{${of}, tls: [{${fields}}]}`;
const sni = (list: string, of = 'hosts: [foo.bar]'): string => tls(`match: [{sniHosts: [${list}]}], ${TO}`, of);
const tcpMatch = (fields: string): string => tcp(`match: [{${fields}}], ${TO}`);
const tlsMatch = (fields: string): string => tls(`match: [{sniHosts: [foo.bar], ${fields}}], ${TO}`);

const ROUTE = 'http/0/route';

export const VIRTUAL_SERVICE: Cases = {
  ...VIRTUAL_SERVICE_KIND,
  taken: [
    hosts('foo.bar'),
    hosts("'*.foo.bar', foo.bar, reviews"),
    hosts("'*-foo.bar', '*foo.baz'"),
    hosts("1.1.1.1, '::1'", 'edge'),
    hosts('10.0.0.1'),
    hosts("'*'", 'somegateway'),
    gateways('ns1/gateway'),
    gateways('mesh, gateway'),
    gateways(''),
    sni(SNI, `hosts: [${SNI}], gateways: [ns1/gateway]`),
    sni("a.foo.bar, '*.b.foo.bar'", "hosts: ['*.foo.bar'], gateways: [ns1/gateway]"),
    sni('foo.bar', "hosts: ['*'], gateways: [ns1/gateway]"),
    `{hosts: [], ${HTTP}}`,
    `{${HTTP}}`,
    `{http: [{match: [{sourceNamespace: test}], ${TO}}]}`,
    '{hosts: [foo.bar], http: [{delegate: {name: a, namespace: b}}]}',
    '{hosts: [foo.bar], gateways: [edge], http: [{delegate: {name: a}}]}',
    delegate('match: [{headers: {header: {regex: test}}, uri: {regex: test}}]'),
    exported(''),
    exported("'*'"),
    exported("'.', ns1"),
    exported('ns1, ns2, ns5'),
    to('host: foo.bar, subset: shiny, port: {number: 5000}'),
    to("host: '*-foo.baz'"),
    to("host: '*foo.baz', subset: ''"),
    routed('{destination: {host: a}, weight: 550}, {destination: {host: b}, weight: 500}'),
    routed('{destination: {host: a}, weight: 100}, {destination: {host: b}, weight: 0}'),
    routed('{destination: {host: a}, weight: 0}'),
    tcp(TO),
    tcpMatch("port: 27017, destinationSubnets: [10.0.0.0/8, '::1'], sourceLabels: {a: b}, gateways: [mesh]"),
    tcpMatch('port: 0'),
    tcp('route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 2}]'),
    tlsMatch('port: 443, destinationSubnets: [10.0.0.0/8], sourceLabels: {a: b}, gateways: [ns1/edge]'),
  ],
  warned: [
    [gateways('gateway.example.com'), 'gateways/0'],
    [tcpMatch('gateways: [gateway.example.com]'), 'tcp/0/match/0/gateways/0'],
    [sni('1.1.1.1'), 'tls/0/match/0/sniHosts/0'],
  ],
  refused: [
    ['{}', ''],
    ['{hosts: [foo.bar]}', ''],
    ['{hosts: [foo.bar], http: [], tcp: [], tls: []}', ''],
    ['{hosts: [foo.bar], http: [null]}', 'http/0'],
    ['{hosts: [foo.bar], http: [{}]}', 'http/0'],
    [hosts('foo.ba!r'), 'hosts/0'],
    [hosts("''"), 'hosts/0'],
    [hosts('foo.*.com'), 'hosts/0'],
    [hosts('foo.123'), 'hosts/0'],
    [hosts('a_b.com'), 'hosts/0'],
    [hosts(SNI), 'hosts/0'],
    [hosts(SNI, 'ns1/gateway'), 'hosts/0'],
    [sni(SNI, "hosts: ['*.local']"), 'tls/0/match/0/sniHosts/0'],
    [hosts("'*'"), 'hosts/0'],
    [hosts("'*'", 'mesh, gateway'), 'hosts/0'],
    [hosts("'*.foo.bar', '*.bar'"), 'hosts/1'],
    [hosts("a.foo.bar, '*.Foo.bar'"), 'hosts/1'],
    [hosts('a.test, A.test'), 'hosts/1'],
    [gateways('b@dgateway'), 'gateways/0'],
    [gateways("''"), 'gateways/0'],
    [gateways("'ns1/*'"), 'gateways/0'],
    [gateways("'*/gateway'"), 'gateways/0'],
    [gateways('ns1/a.b'), 'gateways/0'],
    [gateways('ns1/'), 'gateways/0'],
    [gateways('/gateway'), 'gateways/0'],
    [`{gateways: [test], ${HTTP}}`, 'hosts'],
    [tcp(TO, 'hosts: []'), 'hosts'],
    [sni('foo.bar', 'hosts: []'), 'hosts'],
    ['{http: [{}]}', 'http/0'],
    ['{http: [{delegate: {name: a, namespace: b}}]}', 'http/0/delegate'],
    [delegate(TO), 'http/0/delegate'],
    [delegate('redirect: {uri: /a}'), 'http/0/delegate'],
    [exported("'*', a"), 'exportTo/0'],
    [exported("'.', '*'"), 'exportTo/1'],
    [exported("'~'"), 'exportTo/0'],
    [exported("'.', default"), 'exportTo/1'],
    [exported('a, a'), 'exportTo/1'],
    [exported('a_'), 'exportTo/0'],
    [routed('{}'), `${ROUTE}/0`],
    [routed('null'), `${ROUTE}/0`],
    [to(''), `${ROUTE}/0/destination`],
    [to("host: ''"), `${ROUTE}/0/destination/host`],
    [to("host: '*'"), `${ROUTE}/0/destination/host`],
    [to("host: 'foo.*'"), `${ROUTE}/0/destination/host`],
    [to('host: default/baz'), `${ROUTE}/0/destination/host`],
    [to('host: 10.0.0.1'), `${ROUTE}/0/destination/host`],
    [to('host: a, subset: v_1'), `${ROUTE}/0/destination/subset`],
    [to('host: a, port: {}'), `${ROUTE}/0/destination/port`],
    [to('host: a, port: {number: 0}'), `${ROUTE}/0/destination/port/number`],
    [routed('{destination: {host: a}, weight: 5}, {destination: {host: b}, weight: -1}'), `${ROUTE}/1/weight`],
    [routed('{destination: {host: a}}, {destination: {host: b}}'), ROUTE],
    [tcp('match: [{port: 999}]'), 'tcp/0'],
    [tcp('route: []'), 'tcp/0/route'],
    [tcpMatch('destinationSubnets: [10.0.0.0/33]'), 'tcp/0/match/0/destinationSubnets/0'],
    [tcpMatch('port: 65536'), 'tcp/0/match/0/port'],
    [tcpMatch("sourceLabels: {a: 'b c'}"), 'tcp/0/match/0/sourceLabels/a'],
    [tcpMatch("gateways: ['*/a']"), 'tcp/0/match/0/gateways/0'],
    [tcp('match: [null], route: [{destination: {host: a}}]'), 'tcp/0/match/0'],
    [tcp('route: [{destination: {host: a}}, {destination: {host: b}}]'), 'tcp/0/route'],
    [tls('match: [{sniHosts: [foo.bar]}]'), 'tls/0'],
    [tls(TO), 'tls/0'],
    [tls(`match: [], ${TO}`), 'tls/0/match'],
    [tls(`match: [{port: 443}], ${TO}`), 'tls/0/match/0'],
    [sni(''), 'tls/0/match/0/sniHosts'],
    [sni('foo.*.com'), 'tls/0/match/0/sniHosts/0'],
    [sni('other.com'), 'tls/0/match/0/sniHosts/0'],
    [sni("'*.foo.bar'"), 'tls/0/match/0/sniHosts/0'],
    [tlsMatch('destinationSubnets: [a]'), 'tls/0/match/0/destinationSubnets/0'],
    [tlsMatch('port: 65536'), 'tls/0/match/0/port'],
    [tlsMatch("gateways: ['ns1/*']"), 'tls/0/match/0/gateways/0'],
  ],
  stricter: [[delegate('directResponse: {status: 200}'), 'http/0/delegate']],
};
