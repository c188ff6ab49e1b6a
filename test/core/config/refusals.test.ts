// Bad configuration and the one line that is said about it, word for word.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeYaml, formatProblem } from '../../../core/config/decode.ts';
import { route, TO } from './reviews.ts';

function spec(apiVersion: string, kind: string, text: string): string {
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: x}\nspec:\n${text}`;
}

const CASES: readonly (readonly [what: string, text: string, lines: readonly string[]])[] = [
  [
    'an unknown field, misspelt',
    route('  - route:\n    - destnation:\n        host: reviews\n'),
    [
      'f.yaml:9:7: error: unknown field "destnation", did you mean "destination"? (/spec/http/0/route/0/destnation)',
      'f.yaml:9:7: error: destination is missing (/spec/http/0/route/0)',
    ],
  ],
  [
    'an unknown field, in snake case',
    spec('v1', 'Service', '  ports: [{port: 80, target_port: 90}]\n'),
    ['f.yaml:5:22: error: unknown field "target_port", did you mean "targetPort"? (/spec/ports/0/target_port)'],
  ],
  [
    'udp at ports of TCP',
    spec(
      'v1',
      'Service',
      '  ports: [{name: udp-a, port: 80}, {name: b, port: 81, appProtocol: UDP, protocol: TCP}, {name: udp, port: 82, appProtocol: tcp}]\n',
    ),
    [
      'f.yaml:5:18: error: udp is not what a port of protocol TCP speaks (/spec/ports/0/name)',
      'f.yaml:5:69: error: udp is not what a port of protocol TCP speaks (/spec/ports/1/appProtocol)',
    ],
  ],
  [
    'an unknown field like no other',
    route(`  - ${TO}\n    zzzzzz: 1\n`),
    ['f.yaml:9:5: error: unknown field "zzzzzz" (/spec/http/0/zzzzzz)'],
  ],
  [
    'an unknown field where few are known',
    route('  - route: [{destination: {host: reviews, xxxxxxxx: 1}}]\n'),
    [
      'f.yaml:8:43: error: unknown field "xxxxxxxx"; known here: host, subset, port (/spec/http/0/route/0/destination/xxxxxxxx)',
    ],
  ],
  [
    'a field beside spec',
    'apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspce: {}\n',
    ['f.yaml:4:1: error: unknown field "spce", did you mean "spec"? (/spce)'],
  ],
  [
    'a wrong type',
    route(`  - ${TO}\n    timeout: 5\n`),
    ['f.yaml:9:14: error: expected a string, got the number 5: put it in quotes (/spec/http/0/timeout)'],
  ],
  [
    'a list where an object is expected',
    route('  - route: [[]]\n'),
    ['f.yaml:8:13: error: expected an object, got a list (/spec/http/0/route/0)'],
  ],
  [
    'two of a oneof',
    route(`  - match: [{uri: {exact: /a, prefix: /b}}]\n    ${TO}\n`),
    ['f.yaml:8:39: error: exact and prefix exclude each other: give one of them (/spec/http/0/match/0/uri/prefix)'],
  ],
  [
    'none of a oneof',
    route(`  - corsPolicy: {allowOrigins: [{}]}\n    ${TO}\n`),
    [
      'f.yaml:8:33: error: exactly one of exact, prefix and regex has to be given (/spec/http/0/corsPolicy/allowOrigins/0)',
    ],
  ],
  [
    'a route that both forwards and redirects',
    route(`  - ${TO}\n    redirect: {uri: /}\n`),
    ['f.yaml:9:15: error: route and redirect exclude each other: give one of them (/spec/http/0/redirect)'],
  ],
  [
    'a route that does nothing',
    route('  - timeout: 1s\n'),
    ['f.yaml:8:5: error: exactly one of route, redirect, directResponse and delegate has to be given (/spec/http/0)'],
  ],
  [
    'a regular expression that does not compile',
    route(`  - match: [{uri: {regex: "/a("}}]\n    ${TO}\n`),
    ['f.yaml:8:27: error: "/a(" does not compile as RE2: missing closing ): `/a(` (/spec/http/0/match/0/uri/regex)'],
  ],
  [
    'a regular expression that RE2 does not have',
    route(`  - match: [{uri: {regex: "(a)\\\\1"}}]\n    ${TO}\n`),
    [
      'f.yaml:8:27: error: "(a)\\\\1" does not compile as RE2: invalid escape sequence: `\\1` (/spec/http/0/match/0/uri/regex)',
    ],
  ],
  [
    'a duration without unit',
    route(`  - ${TO}\n    timeout: "5"\n`),
    ['f.yaml:9:14: error: "5" is no duration: write 5s, 100ms or 1h30m (/spec/http/0/timeout)'],
  ],
  [
    'a delay of nothing',
    route(`  - fault: {delay: {fixedDelay: 0s}}\n    ${TO}\n`),
    ['f.yaml:8:33: error: "0s" is too short: at least 1ms (/spec/http/0/fault/delay/fixedDelay)'],
  ],
  [
    'a percentage above 100',
    route(`  - fault: {abort: {httpStatus: 500, percentage: {value: 101}}}\n    ${TO}\n`),
    ['f.yaml:8:58: error: 101 is out of range: 0 to 100 (/spec/http/0/fault/abort/percentage/value)'],
  ],
  [
    'a status that no answer has',
    route(`  - fault: {abort: {httpStatus: 999}}\n    ${TO}\n`),
    ['f.yaml:8:33: error: 999 is out of range: 200 to 599 (/spec/http/0/fault/abort/httpStatus)'],
  ],
  [
    'a fault without a fault',
    route(`  - fault: {}\n    ${TO}\n`),
    ['f.yaml:8:12: error: a fault needs a delay or an abort (/spec/http/0/fault)'],
  ],
  [
    'a port out of range',
    route('  - route: [{destination: {host: reviews, port: {number: 70000}}}]\n'),
    ['f.yaml:8:58: error: 70000 is out of range: 1 to 65535 (/spec/http/0/route/0/destination/port/number)'],
  ],
  [
    'a weight below 0',
    route('  - route: [{destination: {host: reviews}, weight: -1}]\n'),
    ['f.yaml:8:52: error: -1 is out of range: 0 to 2147483647 (/spec/http/0/route/0/weight)'],
  ],
  [
    'weights that add up to nothing',
    route('  - route: [{destination: {host: a}, weight: 0}, {destination: {host: b}, weight: 0}]\n'),
    [
      'f.yaml:8:12: error: the weights of the destinations add up to 0: nothing would get a request (/spec/http/0/route)',
    ],
  ],
  [
    'a destination with a wildcard in its middle',
    route('  - route: [{destination: {host: "a.*.example.com"}}]\n'),
    [
      'f.yaml:8:34: error: "a.*.example.com" is no host name: a wildcard may only be its first label (/spec/http/0/route/0/destination/host)',
    ],
  ],
  [
    'a header name with a space',
    route(`  - ${TO}\n    headers: {request: {set: {"x y": "1"}}}\n`),
    ['f.yaml:9:38: error: "x y" is no header name (/spec/http/0/headers/request/set/x y)'],
  ],
  [
    'a header value that would split the message',
    route(`  - ${TO}\n    headers: {request: {set: {x: "1\\r\\ny: 2"}}}\n`),
    [
      'f.yaml:9:34: error: "1\\r\\ny: 2" is no header value: it has control characters (/spec/http/0/headers/request/set/x)',
    ],
  ],
  [
    'every host on the mesh',
    `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: x}\nspec:\n  hosts: ["*"]\n  http: [{${TO}}]\n`,
    [
      "f.yaml:5:11: error: the host '*' needs a gateway: on the mesh gateway it would cover every service (/spec/hosts/0)",
    ],
  ],
  [
    'an enumeration, misspelt',
    spec(
      'networking.istio.io/v1',
      'DestinationRule',
      '  host: a\n  trafficPolicy: {loadBalancer: {simple: ROUNDROBIN}}\n',
    ),
    [
      'f.yaml:6:42: error: "ROUNDROBIN" is not known here: did you mean ROUND_ROBIN? One of UNSPECIFIED, LEAST_CONN, RANDOM, PASSTHROUGH, ROUND_ROBIN, LEAST_REQUEST (/spec/trafficPolicy/loadBalancer/simple)',
    ],
  ],
  [
    'a subset defined twice',
    spec('networking.istio.io/v1', 'DestinationRule', '  host: a\n  subsets: [{name: v1}, {name: v1}]\n'),
    ['f.yaml:6:32: error: the subset "v1" is defined twice (/spec/subsets/1/name)'],
  ],
  [
    'a gateway server without protocol, and one whose TLS is missing',
    spec(
      'networking.istio.io/v1',
      'Gateway',
      '  servers:\n  - {port: {number: 80, name: a}, hosts: ["*"]}\n  - {port: {number: 443, protocol: HTTPS, name: b}, hosts: ["a.*.b"]}\n',
    ),
    [
      'f.yaml:6:12: error: protocol is missing (/spec/servers/0/port)',
      'f.yaml:7:61: error: "a.*.b" is no host name: a wildcard may only be its first label (/spec/servers/1/hosts/0)',
    ],
  ],
  [
    'a policy on an unknown attribute',
    spec('security.istio.io/v1', 'AuthorizationPolicy', '  rules: [{when: [{key: request.path, values: [x]}]}]\n'),
    [
      'f.yaml:5:25: error: "request.path" is no attribute: one of source.ip, remote.ip, source.namespace, source.principal, source.serviceAccount, source.trustDomain, request.auth.principal, request.auth.audiences, request.auth.presenter, destination.ip, destination.port, connection.sni, request.headers[name], request.auth.claims[name] (/spec/rules/0/when/0/key)',
    ],
  ],
  [
    'a policy on a block that is none',
    spec('security.istio.io/v1', 'AuthorizationPolicy', '  rules: [{from: [{source: {ipBlocks: [10.0.0.0/40]}}]}]\n'),
    ['f.yaml:5:40: error: "10.0.0.0/40" is no IP address or CIDR block (/spec/rules/0/from/0/source/ipBlocks/0)'],
  ],
  [
    'a list of nobody, which would read as everybody',
    spec('security.istio.io/v1', 'AuthorizationPolicy', '  rules: [{from: [{source: {principals: []}}]}]\n'),
    ['f.yaml:5:41: error: principals must not be empty: leave it out instead (/spec/rules/0/from/0/source/principals)'],
  ],
  [
    'path templates that Envoy would refuse',
    spec(
      'security.istio.io/v1',
      'AuthorizationPolicy',
      '  rules: [{to: [{operation: {paths: ["/a/{**}/{*}", "/a{*}", "/{*}/b/{**}"]}}]}]\n',
    ),
    [
      'f.yaml:5:38: error: "/a/{**}/{*}" is no path template: {**} has to be its last operator (/spec/rules/0/to/0/operation/paths/0)',
      'f.yaml:5:53: error: "/a{*}" is no path template: {*} and {**} are whole segments, and no other brace or wildcard goes with them (/spec/rules/0/to/0/operation/paths/1)',
    ],
  ],
  [
    'mode strict without anything to be strict about',
    spec('security.istio.io/v1', 'PeerAuthentication', '  portLevelMtls: {"8080": {mode: STRICT}}\n'),
    ['f.yaml:5:18: error: portLevelMtls needs a selector: ports belong to workloads (/spec/portLevelMtls)'],
  ],
  [
    'an unknown kind',
    spec('networking.istio.io/v1', 'VirtualServices', '  {}\n'),
    ['f.yaml:2:7: error: unknown kind "VirtualServices": did you mean VirtualService? (/kind)'],
  ],
  [
    'an unknown kind like no other',
    spec('example.com/v1', 'Banana', '  {}\n'),
    [
      'f.yaml:2:7: error: unknown kind "Banana": known are AuthorizationPolicy, ClusterRbacConfig, Deployment, DestinationRule, FilterChain, Gateway, GatewayClass, HTTPRoute, MeshConfig, Namespace, PeerAuthentication, Plugin, ProxyConfig, RateLimitPolicy, RbacConfig, RequestAuthentication, Service, ServiceAccount, ServiceEntry, ServiceRole, ServiceRoleBinding, Sidecar, Telemetry, VirtualService, WasmPlugin, WorkloadEntry, WorkloadGroup (/kind)',
    ],
  ],
  [
    'a known kind of another API',
    spec('networking.istio.io/v2', 'VirtualService', '  {}\n'),
    [
      'f.yaml:1:13: error: VirtualService is not of "networking.istio.io/v2": write networking.istio.io/v1, networking.istio.io/v1beta1, networking.istio.io/v1alpha3 (/apiVersion)',
    ],
  ],
  [
    'a patch for Envoy',
    spec('networking.istio.io/v1alpha3', 'EnvoyFilter', '  {}\n'),
    [
      'f.yaml:2:7: error: EnvoyFilter is not supported: it patches the configuration of Envoy, and this is not Envoy: add a filter by Plugin or WasmPlugin, order filters by FilterChain (/kind)',
    ],
  ],
  [
    "Mixer's rate limit",
    spec('config.istio.io/v1alpha2', 'QuotaSpec', '  {}\n'),
    [
      'f.yaml:2:7: error: QuotaSpec is not supported: Mixer was removed in Istio 1.8; rate limits are configured by RateLimitPolicy (/kind)',
    ],
  ],
  [
    'authentication as it was before 1.6',
    spec('authentication.istio.io/v1alpha1', 'Policy', '  {}\n'),
    [
      'f.yaml:2:7: error: Policy is not supported: authentication.istio.io was removed in Istio 1.6: write PeerAuthentication (mtls) and RequestAuthentication (jwt) (/kind)',
    ],
  ],
  [
    'a traffic extension',
    spec('extensions.istio.io/v1alpha1', 'TrafficExtension', '  {}\n'),
    ['f.yaml:2:7: error: TrafficExtension is not supported: write a WasmPlugin (for wasm); lua is not run (/kind)'],
  ],
  [
    'a secret',
    'apiVersion: v1\nkind: Secret\nmetadata: {name: x}\ndata: {a: Yg==}\n',
    [
      'f.yaml:2:7: error: Secret is not supported: secrets never travel in the configuration: give proxies files or a certificate authority (/kind)',
    ],
  ],
  [
    'no kind',
    'metadata: {name: x}\n',
    ['f.yaml:1:1: error: apiVersion is missing', 'f.yaml:1:1: error: kind is missing'],
  ],
  [
    'no name',
    'apiVersion: v1\nkind: ServiceAccount\nmetadata: {labels: {a: b}}\n',
    ['f.yaml:3:11: error: name is missing (/metadata)'],
  ],
  [
    'a name that is none',
    'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: Reviews_1}\n',
    [
      "f.yaml:3:18: error: \"Reviews_1\" is no name: lower-case letters, digits, '-' and '.', at most 253 (/metadata/name)",
    ],
  ],
  [
    'a configuration of role-based access of another name',
    'apiVersion: rbac.istio.io/v1alpha1\nkind: ClusterRbacConfig\nmetadata: {name: other}\nspec: {mode: ON}\n',
    ['f.yaml:3:18: error: a ClusterRbacConfig is named default, not "other": there is one a mesh (/metadata/name)'],
  ],
  [
    'an alias of the trust domain that is none',
    'apiVersion: weft.dev/v1\nkind: MeshConfig\nmetadata: {name: default}\nspec: {trustDomainAliases: ["*", "spiffe://a"]}\n',
    ['*', 'spiffe://a'].map(
      (name, i) =>
        `f.yaml:4:${i === 0 ? 29 : 34}: error: "${name}" is no trust domain: a name such as "old.example", of small letters, digits, '.', '-' and '_' (/spec/trustDomainAliases/${i})`,
    ),
  ],
  [
    'more aliases than rules are compared with',
    `apiVersion: weft.dev/v1\nkind: MeshConfig\nmetadata: {name: default}\nspec: {trustDomainAliases: [${Array.from({ length: 33 }, (_, i) => `td${i}`)}]}\n`,
    ['f.yaml:4:28: error: more than 32 trust domains (/spec/trustDomainAliases)'],
  ],
  [
    'text that is no resource',
    'hello\n',
    ['f.yaml:1:1: error: expected a resource with apiVersion and kind, got the string "hello"'],
  ],
  [
    'YAML that is broken',
    'apiVersion: v1\nkind: [Service\nmetadata: {name: x}\n',
    ['f.yaml:3:1: error: Flow sequence in block collection must be sufficiently indented and end with a ]'],
  ],
  [
    'a key that comes twice',
    'apiVersion: v1\nkind: Service\nkind: Service\n',
    ['f.yaml:3:1: error: the key "kind" comes twice (/kind)'],
  ],
  ['a tag that nobody knows', 'a: !secret x\n', ['f.yaml:1:4: error: Unresolved tag: !secret']],
  ['an alias without anchor', 'a: *b\n', ['f.yaml:1:4: error: the alias "b" has no anchor before it (/a)']],
];

for (const [what, text, lines] of CASES) {
  test(`refuses ${what}`, () => {
    const { resources, problems } = decodeYaml(text, 'f.yaml');
    assert.deepEqual(problems.map(formatProblem), lines);
    assert.deepEqual(resources, []);
  });
}
