// Checks between resources: what is not there, what gets in the way, what is not enforced yet.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeYaml, formatProblem, placeProblems } from '../../../core/config/decode.ts';
import { type Resource, resourceKey } from '../../../core/config/resource.ts';
import { crossCheck, type Known } from '../../../core/config/validate.ts';
import { EVERYTHING } from './everything.ts';

const SERVICES = `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {ports: [{name: http, port: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: many}
spec: {ports: [{name: http-a, port: 80}, {name: http-b, port: 81}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews.default, subsets: [{name: v1}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ext}
spec: {hosts: ["*.example.com", api.test], ports: [{number: 80, name: http, protocol: HTTP}]}
`;

function decode(text: string): ReturnType<typeof decodeYaml> {
  const decoded = decodeYaml(text);
  assert.deepEqual(decoded.problems, []);
  return decoded;
}

function check(text: string, known?: Known): string[] {
  return crossCheck(decode(text).resources, known).map((problem) => {
    assert.equal(problem.severity, 'warning');
    return formatProblem(problem);
  });
}

function routes(name: string, hosts: string, http: string, more = ''): string {
  return `---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec:
  hosts: [${hosts}]${more}
  http: ${http}
`;
}

const to = (destination: string): string => `[{route: [{destination: {${destination}}}]}]`;

test('destinations that exist, by whichever of their names, are no problem', () => {
  for (const destination of [
    'host: reviews',
    'host: reviews, subset: v1, port: {number: 9080}',
    'host: reviews.default',
    'host: reviews.default.svc, subset: v1',
    'host: reviews.default.svc.cluster.local, subset: v1',
    'host: a.example.com',
    'host: API.test',
    'host: many, port: {number: 81}',
  ]) {
    assert.deepEqual(check(SERVICES + routes('a', 'a.test', to(destination))), [], destination);
  }
});

test('destinations that do not exist are warnings with the codes of Istio', () => {
  const said = (destination: string): string[] => check(SERVICES + routes('a', 'a.test', to(destination)));
  const where = 'VirtualService/default/a: warning';
  assert.deepEqual(said('host: ratings'), [
    `${where} [IST0101]: Referenced host not found: "ratings" (/spec/http/0/route/0/destination/host)`,
  ]);
  assert.deepEqual(said('host: reviews, subset: v9'), [
    `${where} [IST0101]: Referenced host+subset in destinationrule not found: "reviews+v9" (/spec/http/0/route/0/destination/subset)`,
  ]);
  assert.deepEqual(said('host: reviews, port: {number: 1}'), [
    `${where} [IST0101]: Referenced host:port not found: "reviews:1" (/spec/http/0/route/0/destination/port)`,
  ]);
  assert.deepEqual(said('host: many'), [
    `${where} [IST0112]: the destination "many" needs a port: its service has several (80, 81) (/spec/http/0/route/0/destination)`,
  ]);
  assert.deepEqual(said('host: example.com'), [
    `${where} [IST0101]: Referenced host not found: "example.com" (/spec/http/0/route/0/destination/host)`,
  ]);
});

test('hosts that workloads registered by themselves exist', () => {
  const text = routes('a', 'a.test', to('host: ratings'));
  assert.equal(check(text).length, 1);
  assert.deepEqual(check(text, { hosts: ['ratings.default.svc.cluster.local'] }), []);
});

test('a configuration of a route for a built-in filter that takes none here is warned of by name', () => {
  const chain = (name: string, spec: string, namespace = 'default'): string => `apiVersion: weft.dev/v1
kind: FilterChain
metadata: {name: ${name}, namespace: ${namespace}}
spec: {direction: outbound, ${spec}}
---
`;
  const routes =
    'routes: [{route: r, filter: cors, config: {}}, {route: r, filter: headers, config: {}}, {route: r, filter: fault, disable: true}]';
  const noEffect = (text: string): string[] => check(text).filter((line) => line.includes('this has no effect'));
  const cors =
    'FilterChain/default/a: warning: cors takes no configuration: its policies say what it does; this has no effect (/spec/routes/0/config)';
  assert.deepEqual(noEffect(chain('a', routes)), [
    cors,
    'FilterChain/default/a: warning: no FilterChain inserts headers into outbound chains: this has no effect (/spec/routes/1/config)',
  ]);
  const insert = 'insert: [{filter: headers, after: fault, config: {request: {set: {a: b}}}}]';
  assert.deepEqual(noEffect(chain('a', `${insert}, ${routes}`)), [cors]);
  assert.deepEqual(noEffect(chain('a', routes) + chain('b', insert, 'istio-system')), [cors]);
  assert.equal(noEffect(chain('a', routes) + chain('b', insert, 'other')).length, 2);
});

test('a gateway, a delegate, a role and a plugin that do not exist are warnings', () => {
  const text = `${routes('a', 'a.test', '[{delegate: {name: b}}]', '\n  gateways: [edge, other/edge, mesh]')}---
apiVersion: rbac.istio.io/v1alpha1
kind: ServiceRoleBinding
metadata: {name: b}
spec: {subjects: [{user: "*"}], roleRef: {kind: ServiceRole, name: gone}}
---
apiVersion: weft.dev/v1
kind: FilterChain
metadata: {name: c}
spec: {insert: [{filter: gone, before: nothing}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: d}
spec: {parentRefs: [{name: gone}], rules: [{backendRefs: [{name: gone, port: 80}]}]}
`;
  assert.deepEqual(
    check(text).filter((line) => line.includes('IST')),
    [
      'VirtualService/default/a: warning [IST0101]: Referenced gateway not found: "edge" (/spec/gateways/0)',
      'VirtualService/default/a: warning [IST0101]: Referenced gateway not found: "other/edge" (/spec/gateways/1)',
      'VirtualService/default/a: warning [IST0101]: Referenced delegate not found: "default/b" (/spec/http/0/delegate)',
      'ServiceRoleBinding/default/b: warning [IST0101]: Referenced ServiceRole not found: "gone" (/spec/roleRef/name)',
      'FilterChain/default/c: warning [IST0101]: Referenced plugin not found: "gone" (/spec/insert/0/filter)',
      'FilterChain/default/c: warning [IST0101]: Referenced filter of inbound chains not found: "nothing" (/spec/insert/0/before)',
      'HTTPRoute/default/d: warning [IST0101]: Referenced gateway not found: "gone" (/spec/parentRefs/0/name)',
      'HTTPRoute/default/d: warning [IST0101]: Referenced service not found: "gone" (/spec/rules/0/backendRefs/0/name)',
    ],
  );
});

test("a DestinationRule for a host of nobody's is a warning", () => {
  const rule = (host: string): string =>
    `${SERVICES}---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: b}\nspec: {host: "${host}"}\n`;
  assert.deepEqual(check(rule('gone')), [
    'DestinationRule/default/b: warning [IST0174]: the host "gone" of the DestinationRule matches no service of the mesh (/spec/host)',
  ]);
  for (const host of ['*', '*.local', '*.example.com', 'a.example.com', 'many'])
    assert.deepEqual(check(rule(host)), [], host);
});

test('two VirtualServices for one host on the mesh are both warned of; on different gateways they are not', () => {
  const action = to('host: reviews');
  const both = check(
    SERVICES + routes('a', 'reviews', action) + routes('b', 'reviews.default.svc.cluster.local', action),
  );
  assert.deepEqual(both, [
    'VirtualService/default/a: warning [IST0109]: the VirtualServices default/a, default/b define the same host "reviews.default.svc.cluster.local" on the mesh gateway: their routes are tried in this order; merge them (/spec/hosts/0)',
    'VirtualService/default/b: warning [IST0109]: the VirtualServices default/a, default/b define the same host "reviews.default.svc.cluster.local" on the mesh gateway: their routes are tried in this order; merge them (/spec/hosts/0)',
  ]);
  const gateway = '\n  gateways: [gone]';
  const apart = check(SERVICES + routes('a', 'reviews', action) + routes('b', 'reviews', action, gateway));
  assert.deepEqual(
    apart.filter((line) => line.includes('IST0109')),
    [],
  );
});

test('routes after one that takes every request are never used', () => {
  const http =
    '[{match: [{uri: {prefix: /}}], directResponse: {status: 200}}, {name: late, directResponse: {status: 201}}]';
  assert.deepEqual(check(routes('a', 'a.test', http)), [
    'VirtualService/default/a: warning [IST0130]: the route "late" is never used: #0 before it takes every request (/spec/http/1)',
  ]);
  const fine =
    '[{match: [{uri: {prefix: /}, method: {exact: GET}}], directResponse: {status: 200}}, {directResponse: {status: 201}}]';
  assert.deepEqual(check(routes('a', 'a.test', fine)), []);
});

test('a host that the gateway does not serve, and a gateway that serves what another one does, are warnings', () => {
  const gateway = (name: string, hosts: string): string =>
    `---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: ${name}}\nspec: {selector: {istio: a}, servers: [{port: {number: 80, protocol: HTTP, name: http}, hosts: [${hosts}]}]}\n`;
  const text =
    gateway('edge', '"*.a.test"') +
    routes('a', 'x.a.test, b.test', '[{directResponse: {status: 200}}]', '\n  gateways: [edge]');
  assert.deepEqual(check(text), [
    'VirtualService/default/a: warning [IST0132]: the host "b.test" is not among the hosts of the Gateway default/edge (/spec/hosts/1)',
  ]);
  assert.deepEqual(check(gateway('a', 'x.test') + gateway('b', 'x.test, y.test')), [
    'Gateway/default/a: warning [IST0145]: the Gateway default/b serves the same hosts on port 80 of the same proxies (/spec/servers/0)',
    'Gateway/default/b: warning [IST0145]: the Gateway default/a serves the same hosts on port 80 of the same proxies (/spec/servers/0)',
  ]);
});

test('a host of a server that is for another namespace is not served to the rules of this one', () => {
  const gateway = `---\napiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: edge, namespace: istio-system}\nspec: {servers: [{port: {number: 80, protocol: HTTP, name: http}, hosts: [./a.test, default/b.test]}]}\n`;
  const bound = '\n  gateways: [istio-system/edge]';
  assert.deepEqual(check(gateway + routes('a', 'a.test, B.test', '[{directResponse: {status: 200}}]', bound)), [
    'VirtualService/default/a: warning [IST0132]: the host "a.test" is not among the hosts of the Gateway istio-system/edge that the namespace "default" may bind to (/spec/hosts/0)',
  ]);
});

test('what a second DestinationRule for a host says again has no effect, and is told', () => {
  const rule = (name: string, host: string, more = ''): string =>
    `---\napiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: ${name}}\nspec: {host: ${host}, trafficPolicy: {loadBalancer: {simple: RANDOM}}, subsets: [{name: v9}]${more}}\n`;
  const selecting = rule('three', 'reviews', ', workloadSelector: {matchLabels: {app: a}}');
  assert.deepEqual(
    check(SERVICES + rule('two', 'Reviews') + rule('one', 'reviews.default.svc.cluster.local') + selecting),
    [
      'DestinationRule/default/two: warning: the trafficPolicy has no effect: that of the DestinationRule default/one for the same host counts (/spec/trafficPolicy)',
      'DestinationRule/default/two: warning: the subset "v9" has no effect: that of the DestinationRule default/one for the same host counts (/spec/subsets/0)',
    ],
  );
});

test('warnings get the place in the file that the resource came from', () => {
  const decoded = decodeYaml(SERVICES + routes('a', 'a.test', to('host: gone')), 'all.yaml');
  assert.deepEqual(placeProblems(crossCheck(decoded.resources), decoded).map(formatProblem), [
    'all.yaml:27:40: warning [IST0101]: Referenced host not found: "gone" (/spec/http/0/route/0/destination/host)',
  ]);
});

test('takes a map by key as well as a list', () => {
  const { resources } = decode(SERVICES + routes('a', 'a.test', to('host: gone')));
  const map = new Map<string, Resource>(resources.map((resource) => [resourceKey(resource), resource]));
  assert.deepEqual(crossCheck(map), crossCheck(resources));
});

test('what is not enforced yet is said once a resource, by name', () => {
  const said = crossCheck(decode(EVERYTHING).resources)
    .filter(({ code }) => code === 'not_enforced')
    .map(({ message, pointer }) => `${message.slice('not enforced yet: '.length)} ${pointer}`);
  assert.deepEqual(said.slice(0, 5), [
    'statPrefix (VirtualService shop/everything) /spec/http/0/match/0/statPrefix',
    'retries in remote localities first (VirtualService shop/everything) /spec/http/0/retries/retryRemoteLocalities',
    'mirroring (VirtualService shop/everything) /spec/http/0/mirrors',
    'redirects that derive their port (VirtualService shop/everything) /spec/http/1/redirect/derivePort',
    'delegation to another VirtualService (VirtualService shop/everything) /spec/http/3/delegate',
  ]);
  for (const kind of ['ProxyConfig', 'HTTPRoute']) {
    assert.ok(
      said.some((line) => line.startsWith(`kind ${kind} of `)),
      kind,
    );
  }
  const telemetry = said.filter((line) => line.includes('(Telemetry default/everything)'));
  assert.deepEqual(telemetry, ['tracing (Telemetry default/everything) /spec/tracing']);
  const sidecar = said.filter((line) => line.includes('(Sidecar default/everything)'));
  assert.deepEqual(sidecar, ['ingress (Sidecar default/everything) /spec/ingress']);
  const destination = said.filter((line) => line.includes('(DestinationRule default/everything)'));
  assert.deepEqual(
    destination.map((line) => line.slice(0, line.indexOf(' (Dest'))),
    [
      'load balancing by consistentHash',
      'warm-up of endpoints',
      'locality load balancing',
      'tcpKeepalive',
      'outlier detection',
      "a retry budget's interval",
    ],
  );
});

test('what is enforced is not warned of', () => {
  const text = `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: a}
spec:
  selector: {matchLabels: {app: a}}
  action: ALLOW
  rules:
  - from: [{source: {principals: [a], namespaces: [b], ipBlocks: [10.0.0.0/8]}}]
    to: [{operation: {methods: [GET], paths: [/a], hosts: [a], ports: ["80"]}}]
    when: [{key: "request.headers[x]", values: [y]}]
${routes('b', 'b.test', '[{match: [{uri: {regex: a}, headers: {x: {exact: y}}}], fault: {abort: {httpStatus: 500}}, retries: {attempts: 0}, timeout: 1s, route: [{destination: {host: reviews}}]}]')}`;
  assert.deepEqual(check(`${SERVICES}---${text}`), []);
});

test('a policy whose wildcard has no effect is told so', () => {
  const policy = (spec: string): string =>
    `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec: ${spec}\n`;
  const principals = '["cluster.local/ns/*/sa/x", "*/sa/x", "a/*", "*a*", "*"]';
  const { problems } = decodeYaml(policy(`{rules: [{from: [{source: {principals: ${principals}}}]}]}`), 'a.yaml');
  const text = 'a * counts only at one end of a value, and is taken as it stands here';
  assert.deepEqual(
    problems.map(({ severity, message, pointer }) => [severity, message, pointer]),
    [
      ['warning', `"cluster.local/ns/*/sa/x": ${text}`, '/spec/rules/0/from/0/source/principals/0'],
      ['warning', `"*a*": ${text}`, '/spec/rules/0/from/0/source/principals/3'],
    ],
  );
});

test('a token rule whose keys can be found nowhere is told so', () => {
  const rule = (text: string): string[] => {
    const head = 'apiVersion: security.istio.io/v1\nkind: RequestAuthentication\nmetadata: {name: a}\n';
    const { problems } = decodeYaml(`${head}spec: {jwtRules: [${text}]}\n`, 'a.yaml');
    return problems.map(({ severity, message, pointer }) => `${severity}: ${message} ${pointer}`);
  };
  assert.deepEqual(rule('{issuer: someone@example.com}'), [
    'warning: neither jwks nor jwksUri, and the issuer is no URL to find its keys at: its tokens are refused /spec/jwtRules/0/issuer',
  ]);
  assert.deepEqual(rule('{issuer: someone@example.com, jwksUri: https://example.com/keys}'), []);
  assert.deepEqual(rule('{issuer: https://example.com}'), []);
});
