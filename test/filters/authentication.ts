// RequestAuthentication through the real authn filter: what becomes of a request.

import assert from 'node:assert/strict';

import { authenticationConfig } from '../../core/builtins/authn/authn.ts';
import { NO_REMOTE_KEYS, type RemoteKeys } from '../../core/builtins/authn/rules.ts';
import type { VerifiedToken } from '../../core/builtins/authn/verified.ts';
import type { JWTRule, RequestAuthenticationSpec } from '../../core/config/kinds/request-authentication.ts';
import type { Metadata, Resource } from '../../core/config/resource.ts';
import type { LocalReply } from '../../core/exchange/filter.ts';
import { FieldName, Head } from '../../core/http/head.ts';
import type { Node } from '../../core/workload.ts';
import { NODE, TestStream } from '../core/wasm/harness.ts';
import { builtin, builtinRuntime } from './builtin.ts';
import { ISSUER, KEYS, NOW_S } from './tokens.ts';

const authn = await builtin('authn');

/** What the shard's clock shows, in seconds since the epoch. */
export const clock = { seconds: NOW_S };
/** Key sets that were fetched, as a test likes them. */
export const remote: { keys: RemoteKeys } = { keys: NO_REMOTE_KEYS };

const { runtime } = builtinRuntime({
  now: () => clock.seconds * 1000,
  keys: {
    current: (source, now) => remote.keys.current(source, now),
    missing: (source) => remote.keys.missing(source),
  },
});

export type Policy = Resource<RequestAuthenticationSpec>;

export function authentication(
  name: string,
  spec: RequestAuthenticationSpec,
  metadata: Partial<Metadata> = {},
): Policy {
  return {
    apiVersion: 'security.istio.io/v1',
    kind: 'RequestAuthentication',
    metadata: { name, namespace: 'default', ...metadata },
    spec,
  };
}

/** A rule of the issuer that tests have. */
export function rule(more: Partial<JWTRule> = {}): JWTRule {
  return { issuer: ISSUER, jwks: KEYS, ...more };
}

export interface Request {
  method?: string;
  path?: string;
  fields?: readonly (readonly [string, string])[];
}

export interface Outcome {
  readonly reply: LocalReply | null;
  readonly head: Head;
  readonly token: VerifiedToken | null;
}

/** A filter that serves one request after the other. */
export function filterOf(policies: readonly Policy[], node: Node = NODE): (request: Request) => Outcome {
  const configuration = authenticationConfig(policies, node);
  assert.ok(configuration !== null, 'no policy applies');
  const factory = authn(runtime, configuration);
  return ({ method = 'GET', path = '/reviews/0', fields = [] }) => {
    const head = Head.request(method, 'reviews:9080', path, fields);
    const stream = new TestStream(head);
    const filter = factory.open(stream, null);
    const verdict = filter.head('request', head, true);
    filter.done();
    assert.equal(verdict, stream.replies.length === 0 ? 'continue' : 'pause');
    return { reply: stream.replies[0] ?? null, head, token: stream.token };
  };
}

/** One request through rules of one policy. */
export function through(rules: readonly JWTRule[], request: Request): Outcome {
  return filterOf([authentication('jwt', { jwtRules: [...rules] })])(request);
}

export function bearer(token: string): Request {
  return { fields: [['authorization', `Bearer ${token}`]] };
}

export function value(head: Head, name: string): string | undefined {
  return head.joined(new FieldName(name));
}

/** The text of a refusal, or null: the request went on. */
export function refusal({ reply }: Outcome): string | null {
  return reply === null ? null : Buffer.from(reply.body).toString();
}
