// What Istio's own validation takes is taken, and what it refuses is refused with its place; a file of cases a kind.
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { decodeYaml } from '../../../core/config/decode.ts';
import { PEER_AUTHENTICATION, REQUEST_AUTHENTICATION } from './istio/authentication.ts';
import { AUTHORIZATION_POLICY, attachment } from './istio/authorization.ts';
import type { Cases } from './istio/cases.ts';
import { DESTINATION_RULE, LOAD_BALANCING } from './istio/destination-rule.ts';
import { TELEMETRY, WASM_PLUGIN } from './istio/extensions.ts';
import { GATEWAY } from './istio/gateway.ts';
import { HTTP_ACTIONS } from './istio/http-actions.ts';
import { HTTP_MATCHES } from './istio/http-matches.ts';
import { SERVICE_ENTRY } from './istio/service-entry.ts';
import { SIDECAR } from './istio/sidecar.ts';
import { VIRTUAL_SERVICE } from './istio/virtual-service.ts';
import { PROXY_CONFIG, WORKLOAD_ENTRY, WORKLOAD_GROUP } from './istio/workloads.ts';

const TABLES: readonly Cases[] = [
  VIRTUAL_SERVICE,
  HTTP_MATCHES,
  HTTP_ACTIONS,
  DESTINATION_RULE,
  LOAD_BALANCING,
  GATEWAY,
  SERVICE_ENTRY,
  WORKLOAD_ENTRY,
  WORKLOAD_GROUP,
  SIDECAR,
  PROXY_CONFIG,
  AUTHORIZATION_POLICY,
  REQUEST_AUTHENTICATION,
  PEER_AUTHENTICATION,
  TELEMETRY,
  WASM_PLUGIN,
  attachment('security.istio.io/v1', 'AuthorizationPolicy', ', rules: [{}]'),
  attachment('security.istio.io/v1beta1', 'RequestAuthentication'),
  attachment('telemetry.istio.io/v1', 'Telemetry'),
  attachment('extensions.istio.io/v1alpha1', 'WasmPlugin', ', url: a.com/b'),
];

for (const { apiVersion, kind, taken, warned, refused, stricter = [], laxer = [] } of TABLES) {
  const problemsOf = (spec: string, metadata = '{name: a}') =>
    decodeYaml(`apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: ${metadata}\nspec: ${spec}\n`).problems;
  const title = (spec: string, metadata?: string): string =>
    `${kind} ${spec.length > 300 ? `${spec.slice(0, 300)}...` : spec}${metadata === undefined ? '' : ` of ${metadata}`}`;

  suite(`${kind} of ${apiVersion}`, () => {
    for (const each of [...taken, ...laxer]) {
      const [spec, metadata] = typeof each === 'string' ? [each] : each;
      test(`takes ${title(spec, metadata)}`, () => {
        assert.deepEqual(problemsOf(spec, metadata), []);
      });
    }
    for (const [severity, cases] of [
      ['warning', warned],
      ['error', [...refused, ...stricter]],
    ] as const) {
      for (const [spec, place, metadata] of cases) {
        test(`${severity === 'error' ? 'refuses' : 'warns of'} ${title(spec, metadata)}`, () => {
          const problems = problemsOf(spec, metadata);
          const pointer = place.startsWith('/') ? place : `/spec${place === '' ? '' : '/'}${place}`;
          const found = problems
            .filter((problem) => severity !== 'error' || problem.severity === 'error')
            .map((problem) => `${problem.severity} ${problem.pointer}`);
          assert.deepEqual(
            [...new Set(found)],
            [`${severity} ${pointer}`],
            problems.map(({ message }) => message).join('; '),
          );
        });
      }
    }
  });
}
