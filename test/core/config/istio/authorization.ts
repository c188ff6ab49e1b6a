// What Istio's validation takes and refuses of AuthorizationPolicies, and of what attaches policies of every kind to workloads.

import type { Cases } from './cases.ts';

const source = (fields: string, action = 'ALLOW'): string =>
  `{action: ${action}, rules: [{from: [{source: {${fields}}}]}]}`;
const operation = (fields: string): string => `{rules: [{to: [{operation: {${fields}}}]}]}`;
const when = (fields: string): string => `{rules: [{when: [{${fields}}]}]}`;
const custom = (rule: string): string => `{action: CUSTOM, provider: {name: ask}, rules: [${rule}]}`;
const annotated = (value: string): string => `{name: a, annotations: {istio.io/dry-run: '${value}'}}`;

const SOURCE = 'rules/0/from/0/source';
const OPERATION = 'rules/0/to/0/operation';
const WHEN = 'rules/0/when/0';

const EMPTY_VALUES: readonly (readonly [string, string])[] = [
  ...['principals', 'notPrincipals', 'requestPrincipals', 'notRequestPrincipals', 'namespaces', 'notNamespaces'].map(
    (field) => [source(`${field}: [a, '']`), `${SOURCE}/${field}/1`] as const,
  ),
  ...['serviceAccounts', 'notServiceAccounts'].map(
    (field) => [source(`${field}: [ns/sa, '']`), `${SOURCE}/${field}/1`] as const,
  ),
  ...['ipBlocks', 'notIpBlocks', 'remoteIpBlocks', 'notRemoteIpBlocks'].flatMap((field) => [
    [source(`${field}: [1.2.3.4, '']`), `${SOURCE}/${field}/1`] as const,
    [source(`${field}: [1.2.3.4, ip1]`), `${SOURCE}/${field}/1`] as const,
  ]),
  ...['hosts', 'notHosts', 'methods', 'notMethods', 'paths', 'notPaths'].map(
    (field) => [operation(`${field}: [/a, '']`), `${OPERATION}/${field}/1`] as const,
  ),
  ...['ports', 'notPorts'].flatMap((field) => [
    [operation(`${field}: ['80', '']`), `${OPERATION}/${field}/1`] as const,
    [operation(`${field}: ['80', port1]`), `${OPERATION}/${field}/1`] as const,
    [operation(`${field}: ['65536']`), `${OPERATION}/${field}/0`] as const,
  ]),
];

export const AUTHORIZATION_POLICY: Cases = {
  apiVersion: 'security.istio.io/v1',
  kind: 'AuthorizationPolicy',
  taken: [
    '{}',
    '{action: ALLOW}',
    '{rules: [{}]}',
    '{action: AUDIT, rules: [{}]}',
    '{action: DENY, rules: [{}]}',
    custom('{}'),
    custom('{to: [{operation: {paths: [/a]}}], from: [{source: {ipBlocks: [10.0.0.1]}}]}'),
    [`{action: ALLOW}`, annotated('true')],
    ['{action: DENY, rules: [{}]}', annotated('false')],
    ['{rules: [{}]}', annotated('T')],
    source('principals: [sa1], notNamespaces: [a], requestPrincipals: ["*"]'),
    source('serviceAccounts: [ns1/sa1, sa2]'),
    source('ipBlocks: [1.2.3.4, 5.6.7.0/24, "001:db8::", "2001:db8::/32"]'),
    source('requestPrincipals: [example.com/sub-1]', 'DENY'),
    operation('methods: [GET], hosts: ["*.com"], ports: ["80"], paths: ["/a/{*}/{**}", "/b*"]'),
    operation('notPaths: ["/{**}/x"]'),
    when('key: source.ip, values: [1.2.3.4, 5.6.7.0/24]'),
    when("key: 'request.headers[:authority]', values: [v1, v2]"),
    when("key: 'request.auth.claims[iss]', notValues: ['*.a.com']"),
    when('key: connection.sni, values: [a.com]'),
    when("key: destination.port, values: ['80'], notValues: ['65535']"),
    when("key: 'experimental.envoy.filters.network.mysql_proxy[db.table]', values: ['[update]']"),
    when("key: 'request.experimental.inline.headers[x-a]', values: [a]"),
  ],
  warned: [],
  refused: [
    ...EMPTY_VALUES,
    ['{action: LOG}', 'action'],
    ['{action: DENY}', ''],
    ['{action: CUSTOM, provider: {name: ask}}', ''],
    ['{action: CUSTOM, rules: [{}]}', ''],
    ["{action: CUSTOM, provider: {name: ''}, rules: [{}]}", 'provider/name'],
    ['{action: ALLOW, provider: {name: ask}, rules: [{}]}', 'provider'],
    ['{provider: {name: ask}}', 'provider'],
    [custom('{from: [{source: {namespaces: [a]}}]}'), `${SOURCE}/namespaces`],
    [custom('{from: [{source: {notPrincipals: [a]}}]}'), `${SOURCE}/notPrincipals`],
    [custom('{from: [{source: {requestPrincipals: [a]}}]}'), `${SOURCE}/requestPrincipals`],
    [custom('{from: [{source: {serviceAccounts: [a]}}]}'), `${SOURCE}/serviceAccounts`],
    [custom('{when: [{key: source.namespace, values: [a]}]}'), `${WHEN}/key`],
    [custom('{when: [{key: source.principal, notValues: [a]}]}'), `${WHEN}/key`],
    [custom("{when: [{key: 'request.auth.claims[a]', values: [a]}]}"), `${WHEN}/key`],
    ['{action: ALLOW}', '/metadata/annotations/istio.io~1dry-run', annotated('foo')],
    [custom('{}'), '/metadata/annotations/istio.io~1dry-run', annotated('true')],
    ['{action: AUDIT, rules: [{}]}', '/metadata/annotations/istio.io~1dry-run', annotated('true')],
    ['{rules: [null]}', 'rules/0'],
    ['{rules: [{from: []}]}', 'rules/0/from'],
    ['{rules: [{from: [{}]}]}', 'rules/0/from/0'],
    [source(''), SOURCE],
    ['{rules: [{to: []}]}', 'rules/0/to'],
    ['{rules: [{to: [{}]}]}', 'rules/0/to/0'],
    [operation(''), OPERATION],
    [source('serviceAccounts: [ns1/sa1], namespaces: [ns]'), SOURCE],
    [source('serviceAccounts: [ns1/sa1], principals: [ns]'), SOURCE],
    [source('notServiceAccounts: [ns1/sa1], notNamespaces: [ns]'), SOURCE],
    [source('serviceAccounts: ["a*"]'), `${SOURCE}/serviceAccounts/0`],
    [source('serviceAccounts: [a/b/c]'), `${SOURCE}/serviceAccounts/0`],
    [source('serviceAccounts: [/b]'), `${SOURCE}/serviceAccounts/0`],
    [operation('paths: ["/a{*}"]'), `${OPERATION}/paths/0`],
    [operation('paths: ["/{**}/{*}"]'), `${OPERATION}/paths/0`],
    [operation('notPaths: ["/{a}"]'), `${OPERATION}/notPaths/0`],
    [when('values: [a]'), WHEN],
    [when("key: '', values: [a]"), `${WHEN}/key`],
    [when('key: source.principal'), WHEN],
    [when('key: source.principal, values: []'), WHEN],
    [when("key: source.principal, values: [a, '']"), `${WHEN}/values/1`],
    [when('key: source.ip, values: [a.b.c.d]'), `${WHEN}/values/0`],
    [when('key: source.ip, notValues: [a.b.c.d]'), `${WHEN}/notValues/0`],
    [when("key: destination.port, values: ['65536']"), `${WHEN}/values/0`],
    [when('key: key1, values: [a]'), `${WHEN}/key`],
    [when("key: 'request.headers[]', values: [a]"), `${WHEN}/key`],
    [when("key: 'request.headers', values: [a]"), `${WHEN}/key`],
    [when('key: destination.namespace, values: [a]'), `${WHEN}/key`],
    [when("key: 'destination.labels[version]', values: [a]"), `${WHEN}/key`],
    [when('key: destination.user, values: [a]'), `${WHEN}/key`],
  ],
  stricter: [
    [source('principals: []'), `${SOURCE}/principals`],
    [operation("ports: ['0']"), `${OPERATION}/ports/0`],
    [operation("ports: ['080']"), `${OPERATION}/ports/0`],
    [source("ipBlocks: ['fe80::1%eth0']"), `${SOURCE}/ipBlocks/0`],
    ['{targetRef: {group: networking.istio.io, kind: ServiceEntry, name: a}, rules: [{}]}', 'targetRef/kind'],
  ],
};

/** Of every kind that is attached to workloads; `rest` is what else a spec needs. */
export function attachment(apiVersion: string, kind: string, rest = ''): Cases {
  const spec = (fields: string): string => `{${fields}${rest}}`;
  const gateway = 'group: gateway.networking.k8s.io, kind: Gateway';
  return {
    apiVersion,
    kind,
    taken: [
      spec('selector: {matchLabels: {app: httpbin, version: v1}}'),
      spec("selector: {matchLabels: {app: ''}}"),
      spec(`targetRef: {${gateway}, name: foo}`),
      spec(`targetRefs: [{${gateway}, name: foo}, {kind: Service, name: bar}]`),
      spec('targetRef: {group: core, kind: Service, name: foo}'),
      spec("targetRef: {group: '', kind: Service, name: foo, namespace: ''}"),
      spec('targetRef: {group: gateway.networking.k8s.io, kind: GatewayClass, name: foo}'),
      spec('selector: {matchLabels: {app: a}}, targetRefs: []'),
    ],
    warned: [
      [spec('selector: {}'), 'selector'],
      [spec('selector: {matchLabels: {}}'), 'selector'],
    ],
    refused: [
      [spec("selector: {matchLabels: {app: httpbin, '': v1}}"), 'selector/matchLabels/'],
      [spec("selector: {matchLabels: {app: 'httpbin-*'}}"), 'selector/matchLabels/app'],
      [spec("selector: {matchLabels: {'app-*': httpbin}}"), 'selector/matchLabels/app-*'],
      [spec(`targetRef: {${gateway}}`), 'targetRef'],
      [spec(`targetRef: {${gateway}, name: ''}`), 'targetRef/name'],
      [spec(`targetRef: {${gateway}, name: foo, namespace: bar}`), 'targetRef/namespace'],
      [spec('targetRef: {group: wrong-group, kind: Gateway, name: foo}'), 'targetRef/group'],
      [spec('targetRef: {group: __, kind: Service, name: foo}'), 'targetRef/group'],
      [spec('targetRef: {group: gateway.networking.k8s.io, kind: wrong-kind, name: foo}'), 'targetRef/kind'],
      [spec('targetRef: {kind: Serv_ice, name: foo}'), 'targetRef/kind'],
      [spec('targetRefs: [{kind: Service, name: a}, {kind: Pod, name: a}]'), 'targetRefs/1/kind'],
      [spec(`targetRef: {${gateway}, name: foo}, selector: {matchLabels: {app: a}}`), 'targetRef'],
      [spec(`targetRefs: [{${gateway}, name: foo}], selector: {matchLabels: {app: a}}`), 'targetRefs'],
      [spec('targetRefs: [{kind: Service, name: a}], targetRef: {kind: Service, name: a}'), 'targetRefs'],
    ],
  };
}
