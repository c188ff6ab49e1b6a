// What Istio's validation takes and refuses of Telemetries and WasmPlugins.

import type { Cases } from './cases.ts';

const tracing = (fields: string): string => `{tracing: [{${fields}}]}`;
const tagged = (tag: string, name = 'clusterID'): string => tracing(`customTags: {${name}: ${tag}}`);
const overriding = (fields: string): string => `{metrics: [{overrides: [{${fields}}]}]}`;
const tag = (fields: string, name = 'my_tag'): string => overriding(`tagOverrides: {${name}: {${fields}}}`);
const logged = (expression: string): string => `{accessLogging: [{filter: {expression: "${expression}"}}]}`;

const TAGS = 'tracing/0/customTags';
const OVERRIDE = 'metrics/0/overrides/0';

export const TELEMETRY: Cases = {
  apiVersion: 'telemetry.istio.io/v1',
  kind: 'Telemetry',
  taken: [
    '{}',
    tracing(''),
    tracing('providers: [{name: a}], randomSamplingPercentage: 100, disableSpanReporting: true'),
    tracing('randomSamplingPercentage: 0'),
    tagged('{environment: {name: FOO, defaultValue: bar}}'),
    tagged('{literal: {value: a}}'),
    tagged('{header: {name: x-a}}'),
    '{metrics: [{providers: [{name: prometheus}]}]}',
    tag("value: 'request.method'"),
    tag("operation: UPSERT, value: 'request.host'"),
    tag('operation: REMOVE'),
    tag('operation: REMOVE', "'my-tag'"),
    overriding('match: {metric: REQUEST_COUNT, mode: SERVER}, disabled: true'),
    overriding('match: {customMetric: mine}, disabled: true'),
    '{accessLogging: [{providers: [{name: envoy}]}, {providers: [{name: otel}]}]}',
    '{accessLogging: [{providers: [{name: envoy}, {name: otel}]}]}',
    logged('response.code >= 400'),
    logged("connection.mtls && request.url_path.contains('v1beta3')"),
  ],
  warned: [
    [tracing('providers: [{name: a}, {name: b}]'), 'tracing/0/providers'],
    ['{tracing: [{}, {}]}', 'tracing'],
  ],
  refused: [
    [tracing("providers: [{name: ''}]"), 'tracing/0/providers/0/name'],
    [tracing('randomSamplingPercentage: 101'), 'tracing/0/randomSamplingPercentage'],
    [tracing('randomSamplingPercentage: -1'), 'tracing/0/randomSamplingPercentage'],
    [tagged('null'), `${TAGS}/clusterID`],
    [tagged('{literal: {value: a}}', "''"), `${TAGS}/`],
    [tagged("{literal: {value: ''}}"), `${TAGS}/clusterID/literal/value`],
    [tagged('{literal: {}}'), `${TAGS}/clusterID/literal`],
    [tagged("{header: {name: ''}}"), `${TAGS}/clusterID/header/name`],
    [tagged('{environment: {}}'), `${TAGS}/clusterID/environment`],
    ["{metrics: [{providers: [{name: ''}]}]}", 'metrics/0/providers/0/name'],
    ["{accessLogging: [{providers: [{name: ''}]}]}", 'accessLogging/0/providers/0/name'],
    [tag(''), `${OVERRIDE}/tagOverrides/my_tag`],
    [tag("operation: UPSERT, value: ''"), `${OVERRIDE}/tagOverrides/my_tag`],
    [tag("operation: REMOVE, value: 'request.method'"), `${OVERRIDE}/tagOverrides/my_tag/value`],
    [overriding('tagOverrides: {a: null}'), `${OVERRIDE}/tagOverrides/a`],
    [overriding("match: {customMetric: ''}"), `${OVERRIDE}/match/customMetric`],
    [overriding('match: {metric: COUNT}'), `${OVERRIDE}/match/metric`],
    [logged(')++++'), 'accessLogging/0/filter/expression'],
    ['{metrics: [{reportingInterval: 0s}]}', 'metrics/0/reportingInterval'],
  ],
  stricter: [
    [logged('response.code'), 'accessLogging/0/filter/expression'],
    [tag("value: 'some-cel-expression'"), `${OVERRIDE}/tagOverrides/my_tag/value`],
  ],
};

const URL = 'url: http://test.com/test';
const SHA = '01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b';
const plugin = (fields: string): string => `{${URL}, ${fields}}`;
const environment = (list: string): string => plugin(`vmConfig: {env: [${list}]}`);

export const WASM_PLUGIN: Cases = {
  apiVersion: 'extensions.istio.io/v1alpha1',
  kind: 'WasmPlugin',
  taken: [
    `{${URL}}`,
    '{url: https://test.com/test}',
    '{url: oci://test.com/test:tag}',
    '{url: file:///opt/filter.wasm}',
    '{url: test.com/test}',
    plugin(`sha256: ${SHA}`),
    plugin("sha256: ''"),
    plugin('imagePullSecret: a, pluginName: b, priority: -1, phase: AUTHZ'),
    plugin(`imagePullSecret: ${'a'.repeat(253)}, pluginName: ${'b'.repeat(256)}`),
    environment('{name: A, value: a}, {name: B, valueFrom: HOST}, {name: C, valueFrom: INLINE, value: c}'),
    plugin('match: [{mode: CLIENT}, {ports: [{number: 80}]}]'),
  ],
  warned: [],
  refused: [
    ['{}', ''],
    ['{url: null}', ''],
    ["{url: ''}", 'url'],
    ['{url: ftp://test.com/test}', 'url'],
    ['{url: fake://example.com}', 'url'],
    ["{url: '#%blah$#@'}", 'url'],
    ["{url: 'http://a b'}", 'url'],
    ["{url: 'http://a.com:port/b'}", 'url'],
    [plugin('sha256: 01ba47'), 'sha256'],
    [plugin(`sha256: ${SHA.replace('b', 'B')}`), 'sha256'],
    [plugin(`imagePullSecret: ${'a'.repeat(254)}`), 'imagePullSecret'],
    [plugin("imagePullSecret: ''"), 'imagePullSecret'],
    [plugin(`pluginName: ${'a'.repeat(257)}`), 'pluginName'],
    [plugin("pluginName: ''"), 'pluginName'],
    [environment("{name: '', valueFrom: HOST}"), 'vmConfig/env/0/name'],
    [environment('{value: a}'), 'vmConfig/env/0'],
    [environment(`{name: ${'a'.repeat(257)}}`), 'vmConfig/env/0/name'],
    [environment('{name: A, value: a}, {name: A, value: b}'), 'vmConfig/env/1/name'],
    [environment('{name: A, valueFrom: HOST, value: a}'), 'vmConfig/env/0/value'],
    [plugin('match: [null]'), 'match/0'],
    [plugin('match: [{ports: [{}]}]'), 'match/0/ports/0'],
    [plugin('match: [{ports: [{number: 0}]}]'), 'match/0/ports/0/number'],
    [plugin('match: [{ports: [{number: 65536}]}]'), 'match/0/ports/0/number'],
  ],
};
