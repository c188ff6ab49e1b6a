// Roles of Istio before 1.6 through the real filter.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import type { Node } from '../../core/workload.ts';
import { NODE } from '../core/wasm/harness.ts';
import { counted, decideYaml, NONE, PRODUCTPAGE, type Request } from './authorization.ts';

const HEAD = (kind: string, name: string, more = ''): string =>
  `---\napiVersion: rbac.istio.io/v1alpha1\nkind: ${kind}\nmetadata: {name: ${name}${more}}\n`;

const ON = `${HEAD('ClusterRbacConfig', 'default')}spec: {mode: "ON"}\n`;

/** A rule that everybody who fits the subject is bound to. */
function role(rule: string, subject = '{user: "*"}', more = ''): string {
  return `${HEAD('ServiceRole', 'viewer')}spec: {rules: [${rule}]}
${HEAD('ServiceRoleBinding', 'bind')}spec: {subjects: [${subject}], roleRef: {kind: ServiceRole, name: viewer}${more}}
`;
}

const ANY = '{services: ["*"]}';

/** The answer to requests where the roles are on. */
function cases(yaml: string, expected: readonly [Request, boolean][], node: Node = NODE): void {
  for (const [request, allowed] of expected) {
    assert.equal(decideYaml(ON + yaml, request, node), allowed ? 'allowed' : NONE, JSON.stringify(request));
  }
}

describe('where roles are enforced', () => {
  const config = (spec: string, kind = 'ClusterRbacConfig', more = ''): string =>
    `${HEAD(kind, 'default', more)}spec: ${spec}\n`;

  for (const [what, spec, expected] of [
    ['not without a mode', '{}', 'no filter'],
    ['not when it is off', '{mode: "OFF"}', 'no filter'],
    ['everywhere when it is on', '{mode: "ON"}', NONE],
    ['in included namespaces', '{mode: ON_WITH_INCLUSION, inclusion: {namespaces: [default]}}', NONE],
    ['not in others', '{mode: ON_WITH_INCLUSION, inclusion: {namespaces: [other]}}', 'no filter'],
    [
      'at included services',
      '{mode: ON_WITH_INCLUSION, inclusion: {services: [reviews.default.svc.cluster.local]}}',
      NONE,
    ],
    [
      'not at others',
      '{mode: ON_WITH_INCLUSION, inclusion: {services: [details.default.svc.cluster.local]}}',
      'no filter',
    ],
    ['not in excluded namespaces', '{mode: ON_WITH_EXCLUSION, exclusion: {namespaces: [default]}}', 'no filter'],
    ['in others', '{mode: ON_WITH_EXCLUSION, exclusion: {namespaces: [other]}}', NONE],
    [
      'not at excluded services',
      '{mode: ON_WITH_EXCLUSION, exclusion: {services: [reviews.default.svc.cluster.local]}}',
      'no filter',
    ],
    ['at others', '{mode: ON_WITH_EXCLUSION, exclusion: {services: [x.default.svc.cluster.local]}}', NONE],
  ]) {
    test(what, () => assert.equal(decideYaml(config(spec)), expected));
  }

  test('roles without a configuration change nothing', () => {
    assert.equal(decideYaml(role(ANY)), 'no filter');
  });

  test('the RbacConfig of a namespace counts for the mesh where there is no ClusterRbacConfig', () => {
    const old = config('{mode: "ON"}', 'RbacConfig', ', namespace: istio-system');
    assert.equal(decideYaml(old), NONE);
    assert.equal(decideYaml(old + config('{mode: "OFF"}')), 'no filter');
    assert.equal(decideYaml(config('{mode: "OFF"}', 'RbacConfig', ', namespace: a') + old), NONE);
  });

  test('a workload of two services is excluded only with both', () => {
    const node = { ...NODE, services: ['a', 'b'] };
    const exclude = (services: string): string =>
      config(`{mode: ON_WITH_EXCLUSION, exclusion: {services: ${services}}}`);
    assert.equal(decideYaml(exclude('[a.default.svc.cluster.local]'), {}, node), NONE);
    const both = '[a.default.svc.cluster.local, b.default.svc.cluster.local]';
    assert.equal(decideYaml(exclude(both), {}, node), 'no filter');
  });

  test('a service that selects the workload is one of its services', () => {
    const node = { ...NODE, services: [] };
    const service = `---\napiVersion: v1\nkind: Service\nmetadata: {name: stars}\nspec: {selector: {app: reviews}, ports: [{port: 80}]}\n`;
    const include = config('{mode: ON_WITH_INCLUSION, inclusion: {services: [stars.default.svc.cluster.local]}}');
    assert.equal(decideYaml(include, {}, node), 'no filter');
    assert.equal(decideYaml(include + service, {}, node), NONE);
    const rule = '{services: ["stars.default.svc.cluster.local"]}';
    assert.equal(decideYaml(include + service + role(rule), {}, node), 'allowed');
  });

  test('never at a gateway', () => {
    assert.equal(decideYaml(ON, {}, { ...NODE, role: 'gateway' }), 'no filter');
  });

  test('not where an AuthorizationPolicy allows, which is the newer list; a denial counts beside roles', () => {
    const policy = (spec: string): string =>
      `---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec: ${spec}\n`;
    assert.equal(decideYaml(ON + policy('{rules: [{}]}')), 'allowed');
    const deny = policy('{action: DENY, rules: [{to: [{operation: {methods: [POST]}}]}]}');
    assert.equal(decideYaml(ON + deny), NONE);
    assert.equal(decideYaml(ON + deny + role(ANY)), 'allowed');
    assert.match(
      decideYaml(ON + deny + role(ANY), { method: 'POST' }),
      /policy\[ns\[default\]-policy\[p\]-rule\[0\]\]$/,
    );
  });
});

describe('what a role allows', () => {
  test('services by full name, prefix, suffix or all', () => {
    const own = 'reviews.default.svc.cluster.local';
    for (const service of ['"*"', own, 'reviews*', '"*.default.svc.cluster.local"', 'reviews']) {
      cases(role(`{services: [${service}]}`), [[{}, true]]);
    }
    for (const service of ['details.default.svc.cluster.local', 'details*', '"*.other.svc.cluster.local"']) {
      cases(role(`{services: [${service}]}`), [[{}, false]]);
    }
  });

  test('methods, paths, hosts and ports, and what is not one of them', () => {
    cases(role('{services: ["*"], methods: [GET, HEAD], paths: ["/a*", "*/z"]}'), [
      [{ path: '/a/b' }, true],
      [{ path: '/b/z' }, true],
      [{ path: '/b' }, false],
      [{ method: 'POST', path: '/a' }, false],
    ]);
    cases(role('{services: ["*"], notMethods: [POST], not_paths: ["/admin*"]}'), [
      [{}, true],
      [{ method: 'POST' }, false],
      [{ path: '/admin/x' }, false],
    ]);
    cases(role('{services: ["*"], hosts: [reviews], notPorts: [9081]}'), [
      [{ host: 'REVIEWS:9080' }, true],
      [{ host: 'other' }, false],
      [{ port: 9081 }, false],
    ]);
  });

  test('constraints on the workload, and on the request', () => {
    for (const [constraint, allowed] of [
      ['{key: "destination.labels[version]", values: [v1, v2]}', true],
      ['{key: "destination.labels[version]", values: ["v*"]}', true],
      ['{key: "destination.labels[version]", values: [v3]}', false],
      ['{key: "destination.labels[none]", values: ["*"]}', false],
      ['{key: destination.namespace, values: [default]}', true],
      ['{key: destination.namespace, values: [other]}', false],
      ['{key: destination.user, values: [bookinfo-reviews]}', true],
      ['{key: destination.user, values: [root]}', false],
      ['{key: destination.port, values: ["9080"]}', true],
      ['{key: destination.port, values: ["27017"]}', false],
      ['{key: destination.ip, values: ["127.1.0.0/16"]}', true],
      ['{key: destination.ip, values: ["10.0.0.1"]}', false],
      ['{key: "experimental.envoy.filters.a[b]", values: [c]}', false],
    ] as const) {
      cases(role(`{services: ["*"], constraints: [${constraint}]}`), [[{}, allowed]]);
    }
    cases(role('{services: ["*"], constraints: [{key: "request.headers[X-Version]", values: [v1, "v2*"]}]}'), [
      [{ fields: [['x-version', 'v1']] }, true],
      [{ fields: [['x-version', 'v2.3']] }, true],
      [{ fields: [['x-version', 'v3']] }, false],
      [{}, false],
    ]);
  });

  test('one rule of several is enough, in any namespace only the roles of its own', () => {
    cases(role('{services: ["*"], methods: [POST]}, {services: ["*"], paths: ["/a"]}'), [
      [{ method: 'POST' }, true],
      [{ path: '/a' }, true],
      [{}, false],
    ]);
    assert.equal(decideYaml(ON + role(ANY), {}, { ...NODE, namespace: 'other' }), NONE);
  });
});

describe('who is bound to a role', () => {
  test('a user by identity, everybody by *, nobody who is not named', () => {
    cases(role(ANY, `{user: "${PRODUCTPAGE}"}`), [
      [{ principal: PRODUCTPAGE }, true],
      [{ principal: 'cluster.local/ns/default/sa/other' }, false],
      [{}, false],
    ]);
    cases(role(ANY, '{user: "cluster.local/ns/default/*"}'), [
      [{ principal: PRODUCTPAGE }, true],
      [{ principal: 'cluster.local/ns/other/sa/x' }, false],
    ]);
    cases(role(ANY, `{names: ["${PRODUCTPAGE}"], notNamespaces: [default]}`), [[{ principal: PRODUCTPAGE }, false]]);
    cases(role(ANY, '{user: "*", not_ips: ["127.1.0.0/16"]}'), [
      [{ address: '127.1.0.2' }, false],
      [{ address: '127.2.0.2' }, true],
    ]);
  });

  test('by properties, all of them; by groups of a token', () => {
    cases(role(ANY, '{properties: {source.namespace: default, "request.headers[x-a]": "1"}}'), [
      [{ principal: PRODUCTPAGE, fields: [['x-a', '1']] }, true],
      [{ principal: PRODUCTPAGE }, false],
      [{ fields: [['x-a', '1']] }, false],
    ]);
    cases(role(ANY, '{properties: {"request.auth.claims[iss]": "https://a"}}'), [
      [{ claims: { iss: 'https://a' } }, true],
      [{ claims: { iss: 'https://b' } }, false],
      [{}, false],
    ]);
    cases(role(ANY, '{group: admins}'), [
      [{ claims: { iss: 'i', groups: ['users', 'admins'] } }, true],
      [{ claims: { iss: 'i', groups: ['users'] } }, false],
    ]);
    cases(role(ANY, '{groups: [admins], notGroups: [banned]}'), [
      [{ claims: { iss: 'i', groups: ['admins'] } }, true],
      [{ claims: { iss: 'i', groups: ['admins', 'banned'] } }, false],
    ]);
  });

  test('one subject of several is enough', () => {
    cases(role(ANY, '{namespaces: [other]}, {properties: {source.namespace: default}}'), [
      [{ principal: PRODUCTPAGE }, true],
      [{ principal: 'cluster.local/ns/other/sa/x' }, true],
      [{ principal: 'cluster.local/ns/third/sa/x' }, false],
    ]);
  });

  test('by actions that stand in the binding, and by role, which is short for roleRef', () => {
    const subject = 'subjects: [{user: "*"}]';
    cases(`${HEAD('ServiceRoleBinding', 'b')}spec: {${subject}, actions: [{services: ["*"], methods: [GET]}]}\n`, [
      [{}, true],
      [{ method: 'POST' }, false],
    ]);
    const viewer = `${HEAD('ServiceRole', 'viewer')}spec: {rules: [${ANY}]}\n`;
    cases(`${viewer}${HEAD('ServiceRoleBinding', 'b')}spec: {${subject}, role: viewer}\n`, [[{}, true]]);
    cases(`${viewer}${HEAD('ServiceRoleBinding', 'b')}spec: {${subject}, role: other}\n`, [[{}, false]]);
    cases(viewer, [[{}, false]]);
  });
});

describe('PERMISSIVE', () => {
  const DENIED = 'rbac.dry_run_allow.shadow_denied';
  const ALLOWED = 'rbac.dry_run_allow.shadow_allowed';

  function counts(name: string, call: () => void): number {
    const before = counted(name);
    call();
    return counted(name) - before;
  }

  test('as the mode of a binding tries what it would allow, and allows nothing', () => {
    const yaml = ON + role('{services: ["*"], methods: [GET]}', '{user: "*"}', ', mode: PERMISSIVE');
    assert.equal(
      counts(ALLOWED, () => assert.equal(decideYaml(yaml), NONE)),
      1,
    );
    assert.equal(
      counts(DENIED, () => assert.equal(decideYaml(yaml, { method: 'POST' }), NONE)),
      1,
    );
  });

  test('as the mode of the configuration tries everything, and denies nothing', () => {
    const permissive = ON.replace('{mode: "ON"}', '{mode: "ON", enforcement_mode: PERMISSIVE}');
    assert.equal(
      counts(DENIED, () => assert.equal(decideYaml(permissive), 'allowed')),
      1,
    );
    assert.equal(
      counts(ALLOWED, () => assert.equal(decideYaml(permissive + role(ANY)), 'allowed')),
      1,
    );
  });
});

const SAMPLES = join(import.meta.dirname, '../../../shared/samples/istio/rbac-v1alpha1');

if (existsSync(SAMPLES)) {
  const read = (...files: string[]): string =>
    files.map((file) => readFileSync(join(SAMPLES, `${file}.yaml`), 'utf8')).join('\n---\n');
  const workload = (app: string, serviceAccount = `bookinfo-${app}`): Node => ({
    ...NODE,
    serviceAccount,
    labels: { app },
    services: [app],
  });
  const who = (account: string, namespace = 'default'): Request => ({
    principal: `cluster.local/ns/${namespace}/sa/${account}`,
  });

  describe("Istio's own samples", () => {
    test('deny everything when roles are on and there is none', () => {
      for (const app of ['productpage', 'details', 'reviews', 'ratings']) {
        assert.equal(decideYaml(read('rbac-config-ON'), who('bookinfo-productpage'), workload(app)), NONE);
      }
      assert.equal(decideYaml(read('rbac-config-ON'), {}, { ...workload('x'), namespace: 'elsewhere' }), 'no filter');
    });

    test('namespace-policy lets the namespaces read the apps', () => {
      const yaml = read('rbac-config-ON', 'namespace-policy');
      assert.equal(decideYaml(yaml, who('x', 'istio-system'), workload('productpage')), 'allowed');
      assert.equal(decideYaml(yaml, who('x'), workload('ratings')), 'allowed');
      assert.equal(decideYaml(yaml, { ...who('x'), method: 'POST' }, workload('ratings')), NONE);
      assert.equal(decideYaml(yaml, who('x', 'other'), workload('ratings')), NONE);
      assert.equal(decideYaml(yaml, who('x'), workload('mongodb')), NONE);
    });

    test('productpage, details-reviews and ratings open one hop after the other', () => {
      let yaml = read('rbac-config-ON', 'productpage-policy');
      assert.equal(decideYaml(yaml, {}, workload('productpage')), 'allowed');
      assert.equal(decideYaml(yaml, who('bookinfo-productpage'), workload('reviews')), NONE);
      yaml += `\n---\n${read('details-reviews-policy')}`;
      for (const app of ['details', 'reviews']) {
        assert.equal(decideYaml(yaml, who('bookinfo-productpage'), workload(app)), 'allowed');
        assert.equal(decideYaml(yaml, who('bookinfo-reviews'), workload(app)), NONE);
        assert.equal(decideYaml(yaml, { ...who('bookinfo-productpage'), method: 'POST' }, workload(app)), NONE);
      }
      assert.equal(decideYaml(yaml, who('bookinfo-reviews'), workload('ratings')), NONE);
      yaml += `\n---\n${read('ratings-policy')}`;
      assert.equal(decideYaml(yaml, who('bookinfo-reviews'), workload('ratings')), 'allowed');
      assert.equal(decideYaml(yaml, who('bookinfo-productpage'), workload('ratings')), NONE);
    });

    test('permissive ones deny as before, or nothing', () => {
      const yaml = read('rbac-config-ON', 'details-reviews-policy-permissive');
      assert.equal(decideYaml(yaml, who('bookinfo-productpage'), workload('details')), NONE);
      const all = read('rbac-config-on-permissive', 'details-reviews-policy');
      assert.equal(decideYaml(all, who('anybody'), workload('details')), 'allowed');
    });

    test('mongodb-policy is about one service and port', () => {
      const yaml = read('rbac-config-on-mongodb', 'mongodb-policy');
      assert.equal(decideYaml(yaml, { ...who('bookinfo-ratings-v2'), port: 27017 }, workload('mongodb')), 'allowed');
      assert.equal(decideYaml(yaml, { ...who('bookinfo-ratings-v2'), port: 27018 }, workload('mongodb')), NONE);
      assert.equal(decideYaml(yaml, { ...who('x'), port: 27017 }, workload('mongodb')), NONE);
      assert.equal(decideYaml(yaml, {}, workload('ratings')), 'no filter');
    });
  });
}
