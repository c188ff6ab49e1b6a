// Policies through the real rbac filter: what is decided about a request.

import assert from 'node:assert/strict';
import { decodeToken } from '../../core/builtins/authn/decode.ts';
import { VerifiedToken } from '../../core/builtins/authn/verified.ts';
import type { Policies } from '../../core/builtins/builtin.ts';
import type { Configured } from '../../core/builtins/configured.ts';
import { authorizationConfig, rbac as builtinRbac } from '../../core/builtins/rbac/rbac.ts';
import { decodeYaml, formatProblem } from '../../core/config/decode.ts';
import { isKind } from '../../core/config/is-kind.ts';
import type { AuthorizationPolicySpec } from '../../core/config/kinds/authorization-policy.ts';
import type { Metadata, Resource } from '../../core/config/resource.ts';
import type { ExchangeRecord } from '../../core/exchange/record.ts';
import { Head } from '../../core/http/head.ts';
import type { Node } from '../../core/workload.ts';
import { NODE, TestStream } from '../core/wasm/harness.ts';
import { builtin, builtinRuntime } from './builtin.ts';
import { compact } from './tokens.ts';

export const rbac = await builtin('rbac');
/** Shared with the log and the counters of the filter. */
export const { runtime, lines } = builtinRuntime();

export type Policy = Resource<AuthorizationPolicySpec>;
export type Fields = readonly (readonly [string, string])[];

export interface Request {
  method?: string;
  path?: string;
  host?: string;
  fields?: Fields;
  principal?: string;
  address?: string;
  port?: number;
  /** Of a token that authn has verified. */
  claims?: Record<string, unknown>;
}

export function policy(name: string, spec: AuthorizationPolicySpec, metadata: Partial<Metadata> = {}): Policy {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'AuthorizationPolicy',
    metadata: { name, namespace: 'default', ...metadata },
    spec,
  };
}

/** The answer of the policies to one request: 'allowed', or the details of the denial. */
export function decide(policies: readonly Policy[], request: Request = {}, node: Node = NODE): string {
  return answer(authorizationConfig(policies, node), request);
}

/** The same of a whole configuration in YAML, with roles. */
export function decideYaml(yaml: string, request: Request = {}, node: Node = NODE): string {
  const { resources, problems } = decodeYaml(yaml);
  assert.deepEqual(problems.map(formatProblem), []);
  const policies: Policies = (kind) => resources.filter((resource) => isKind(resource, kind)) as never;
  return answer(builtinRbac.standing.configure(policies, node), request);
}

/** How often the filter has counted this, under any configuration. */
export function counted(name: string): number {
  return Number(runtime.metrics().find((metric) => metric.name === name)?.value ?? 0n);
}

function answer(configuration: Configured | null, request: Request): string {
  if (configuration === null) return 'no filter';
  const factory = rbac(runtime, configuration);
  const { method = 'GET', host = 'reviews:9080', path = '/reviews/0' } = request;
  const head = Head.request(method, host, path, request.fields);
  const record: Partial<ExchangeRecord> = {
    sourcePrincipal: request.principal ?? '',
    destinationPort: request.port ?? 9080,
    connection: {
      id: 1,
      remoteAddress: request.address ?? '127.1.0.2',
      remotePort: 4711,
      localAddress: '127.1.0.3',
      localPort: 9080,
      tls: null,
    },
  };
  const stream = new TestStream(head, record);
  if (request.claims !== undefined) stream.token = verified(request.claims);
  const filter = factory.open(stream, null);
  const verdict = filter.head('request', head, true);
  filter.done();
  runtime.retire(factory);
  if (stream.replies.length === 0) {
    assert.equal(verdict, 'continue');
    return 'allowed';
  }
  const [reply] = stream.replies;
  assert.equal(verdict, 'pause');
  assert.equal(reply.status, 403);
  assert.equal(Buffer.from(reply.body).toString(), 'RBAC: access denied');
  return reply.details;
}

/** As authn leaves it with the stream. */
function verified(claims: Record<string, unknown>): VerifiedToken {
  const token = decodeToken(compact({ alg: 'ES256' }, claims));
  assert.ok(typeof token !== 'string', String(token));
  return new VerifiedToken(token, ['scope']);
}

export const NONE = 'rbac_access_denied_matched_policy[none]';
export const PRODUCTPAGE = 'cluster.local/ns/default/sa/bookinfo-productpage';

export function matched(name: string, rule = 0, namespace = 'default'): string {
  return `rbac_access_denied_matched_policy[ns[${namespace}]-policy[${name}]-rule[${rule}]]`;
}

/** A table: a rule that allows, and whether requests match it. */
export function allows(
  rule: NonNullable<AuthorizationPolicySpec['rules']>[number],
  cases: readonly [Request, boolean][],
): void {
  for (const [request, expected] of cases) {
    assert.equal(
      decide([policy('p', { rules: [rule] })], request),
      expected ? 'allowed' : NONE,
      JSON.stringify(request),
    );
  }
}
