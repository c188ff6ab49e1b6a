// Policies that would be believed in and protect nothing are refused, as Istio refuses them; what looks alike and is sound is not.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { decodeYaml } from '../../../core/config/decode.ts';

type Case = readonly [spec: string, pointer: string, message: RegExp];

const source = (fields: string): string => `{action: DENY, rules: [{from: [{source: ${fields}}]}]}`;
const operation = (fields: string): string => `{action: DENY, rules: [{to: [{operation: ${fields}}]}]}`;
const condition = (fields: string): string => `{action: DENY, rules: [{when: [${fields}]}]}`;
const custom = (rule: string): string => `{action: CUSTOM, provider: {name: ask}, rules: [${rule}]}`;

const SOURCE = '/spec/rules/0/from/0/source';
const OPERATION = '/spec/rules/0/to/0/operation';
const WHEN = '/spec/rules/0/when/0';

const REFUSED: readonly Case[] = [
  [condition('{key: destination.port, values: [x]}'), `${WHEN}/values/0`, /"x" is no port/],
  [condition('{key: destination.port, notValues: ["65536"]}'), `${WHEN}/notValues/0`, /is no port/],
  [condition('{key: destination.port, values: ["80*"]}'), `${WHEN}/values/0`, /is no port/],
  [condition('{key: source.serviceAccount, values: [a/b/c]}'), `${WHEN}/values/0`, /is no service account/],
  [
    condition('{key: source.trustDomain, notValues: ["spiffe://cluster.local"]}'),
    `${WHEN}/notValues/0`,
    /trust domain/,
  ],
  [condition('{key: remote.ip, values: [10.0.0]}'), `${WHEN}/values/0`, /is no IP address/],
  [condition('{key: experimental.a.b.x, values: [y]}'), `${WHEN}/key`, /is no attribute/],
  [condition('{key: experimental.envoy.filters.a.b.x, values: [y]}'), `${WHEN}/key`, /is no attribute/],
  [condition('{key: request.headers, values: [y]}'), `${WHEN}/key`, /is no attribute/],
  [condition('{key: "request.headers[]", values: [y]}'), `${WHEN}/key`, /is no attribute/],
  [condition('{key: "destination.labels[version]", values: [y]}'), `${WHEN}/key`, /is no attribute/],
  [source('{serviceAccounts: [too/many/slashes]}'), `${SOURCE}/serviceAccounts/0`, /is no service account/],
  [source('{serviceAccounts: [/emptyns]}'), `${SOURCE}/serviceAccounts/0`, /is no service account/],
  [source('{notServiceAccounts: [emptysa/]}'), `${SOURCE}/notServiceAccounts/0`, /is no service account/],
  [source('{serviceAccounts: ["a*"]}'), `${SOURCE}/serviceAccounts/0`, /has no wildcard/],
  [source(`{serviceAccounts: [${'a'.repeat(321)}]}`), `${SOURCE}/serviceAccounts/0`, /longer than 320/],
  [source(`{serviceAccounts: [${Array.from({ length: 17 }, (_, i) => `a${i}`)}]}`), `${SOURCE}/serviceAccounts`, /16/],
  [source('{serviceAccounts: [a], notPrincipals: [b]}'), SOURCE, /exclude principals/],
  [source('{notServiceAccounts: [a], namespaces: [b]}'), SOURCE, /exclude principals/],
  [source('{trustDomains: ["spiffe://cluster.local"]}'), `${SOURCE}/trustDomains/0`, /is no trust domain/],
  [source('{notTrustDomains: [cluster.local/ns/foo]}'), `${SOURCE}/notTrustDomains/0`, /is no trust domain/],
  [operation('{paths: ["/foo/{buzz}/bar"]}'), `${OPERATION}/paths/0`, /is no path template/],
  [operation('{notPaths: ["/{buzz}"]}'), `${OPERATION}/notPaths/0`, /is no path template/],
  [operation('{paths: ["/foo{*}"]}'), `${OPERATION}/paths/0`, /is no path template/],
  [operation('{paths: ["/{*}/foo/*"]}'), `${OPERATION}/paths/0`, /is no path template/],
  [operation('{paths: ["/{**}/foo/{*}"]}'), `${OPERATION}/paths/0`, /last operator/],
  [operation('{paths: ["/{*}/foo/?abc"]}'), `${OPERATION}/paths/0`, /"\?abc" is no segment/],
  [operation('{paths: ["/{*}//foo"]}'), `${OPERATION}/paths/0`, /a segment is empty/],
  ['{targetRef: {kind: wrong-kind, name: a}, rules: [{}]}', '/spec/targetRef/kind', /"wrong-kind" is no target/],
  ['{targetRefs: [{kind: ServiceEntry, group: networking.istio.io, name: a}]}', '/spec/targetRefs/0/kind', /waypoints/],
  ['{targetRef: {kind: Gateway, group: networking.istio.io, name: a}}', '/spec/targetRef/group', /is of the group/],
  ['{targetRef: {kind: Gateway, name: a}}', '/spec/targetRef/group', /is of the group/],
  ['{targetRef: {kind: Service, group: apps, name: a}}', '/spec/targetRef/group', /is of the group/],
  ['{targetRef: {kind: Service, name: ""}}', '/spec/targetRef/name', /empty/],
  ['{targetRef: {kind: Service, name: a, namespace: b}}', '/spec/targetRef/namespace', /namespace of its policy/],
  ['{action: DENY}', '/spec', /matches nothing/],
  ['{action: CUSTOM, provider: {name: ask}}', '/spec', /matches nothing/],
  [custom('{from: [{source: {namespaces: [a]}}]}'), '/spec/rules/0/from/0/source/namespaces', /CUSTOM/],
  [
    custom('{from: [{source: {notRequestPrincipals: [a]}}]}'),
    '/spec/rules/0/from/0/source/notRequestPrincipals',
    /CUSTOM/,
  ],
  [custom('{when: [{key: "request.auth.claims[iss]", values: [a]}]}'), '/spec/rules/0/when/0/key', /CUSTOM/],
];

const TAKEN: readonly string[] = [
  condition('{key: destination.port, values: ["80"], notValues: ["65535"]}'),
  condition('{key: "experimental.envoy.filters.a.b[c]", values: [d]}'),
  condition('{key: "request.auth.claims[a][b]", values: ["*"]}'),
  source('{serviceAccounts: [a, b/c]}'),
  source('{trustDomains: [cluster.local, "*.example", "*"]}'),
  operation('{paths: ["/foo/{*}/bar", "/{**}", "/a/{*}/{**}/", "/plain*", "*", "/v1,2;x=y/{*}"]}'),
  '{targetRef: {kind: Gateway, group: gateway.networking.k8s.io, name: a}}',
  '{targetRefs: [{kind: Service, name: a}, {kind: Service, group: "", name: b}, {kind: Service, group: core, name: c}]}',
  custom(
    '{from: [{source: {ipBlocks: [10.0.0.0/8]}}], to: [{operation: {paths: [/a]}}], when: [{key: remote.ip, values: [1.2.3.4]}]}',
  ),
];

suite('policies that could never match what they say', () => {
  for (const [spec, pointer, message] of REFUSED) {
    test(`${spec.slice(0, 110)} is refused at ${pointer}`, () => {
      const { resources, problems } = decodeYaml(policy(spec));
      assert.deepEqual(resources, []);
      const errors = problems.filter(({ severity }) => severity === 'error');
      assert.deepEqual(
        errors.map((problem) => problem.pointer),
        [pointer],
      );
      assert.match(errors[0].message, message);
    });
  }

  test('what looks alike and is sound is taken', () => {
    for (const spec of TAKEN) assert.deepEqual(decodeYaml(policy(spec)).problems, [], spec);
  });

  test('other policies know the same targets', () => {
    for (const [group, kind] of [
      ['security.istio.io/v1', 'RequestAuthentication'],
      ['telemetry.istio.io/v1', 'Telemetry'],
    ]) {
      const { problems } = decodeYaml(policy('{targetRef: {kind: Deployment, name: a}}', group, kind));
      assert.match(
        problems[0].message,
        /"Deployment" is no target of policies; a target is a Gateway, GatewayClass, Service/,
      );
    }
  });

  test('a dry run is true or false, as Go reads it, and nothing that would be enforced unnoticed', () => {
    for (const value of ['true', 'T', '1', 'false', 'F', '0']) {
      assert.deepEqual(
        decodeYaml(policy('{rules: [{}]}').replace('a}', `a, annotations: {istio.io/dry-run: "${value}"}}`)).problems,
        [],
      );
    }
    for (const value of ['yes', 'True ', '', 'tRuE']) {
      const text = policy('{rules: [{}]}').replace('a}', `a, annotations: {istio.io/dry-run: "${value}"}}`);
      const [problem] = decodeYaml(text).problems;
      assert.equal(problem?.pointer, '/metadata/annotations/istio.io~1dry-run', value);
      assert.match(problem.message, /is neither "true" nor "false"/);
    }
  });
});

function policy(spec: string, apiVersion = 'security.istio.io/v1', kind = 'AuthorizationPolicy'): string {
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a}\nspec: ${spec}\n`;
}
