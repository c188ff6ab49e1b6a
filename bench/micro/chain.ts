// What the chain of the benchmark costs a request: a token that was verified before, a rule on its principal, a limit, a fault of
// one in a million; all of them, and each alone.

import { authenticationConfig } from '../../core/builtins/authn/authn.ts';
import { faultConfig } from '../../core/builtins/fault/fault.ts';
import { rateLimitConfig } from '../../core/builtins/ratelimit/ratelimit.ts';
import { authorizationConfig } from '../../core/builtins/rbac/rbac.ts';
import { FilterChain } from '../../core/exchange/filter-chain.ts';
import { MOST_REQUESTS } from '../setups.ts';
import { chainSubject } from './filter-chain.ts';
import { builtinsIn, FIELDS, NODE, signed, startRuntime } from './request.ts';
import type { Subject } from './subject.ts';

const ISSUER = 'https://bench.example';
const metadata = { name: 'bench', namespace: NODE.namespace };

/** `stop` ends the guests. */
export async function chainSubjects(): Promise<{ subjects: readonly Subject[]; stop: () => void }> {
  const { token, jwks } = await signed({ iss: ISSUER, sub: 'client' });
  const runtime = startRuntime();
  const configure = builtinsIn(runtime);
  const policy = (apiVersion: string, kind: string, spec: object) => ({ apiVersion, kind, metadata, spec }) as never;
  const accepts = policy('security.istio.io/v1', 'RequestAuthentication', {
    jwtRules: [{ issuer: ISSUER, jwks, forwardOriginalToken: true }],
  });
  const allows = policy('security.istio.io/v1', 'AuthorizationPolicy', {
    rules: [
      {
        from: [{ source: { requestPrincipals: [`${ISSUER}/client`] } }],
        to: [{ operation: { methods: ['GET'], paths: ['/*'] } }],
      },
    ],
  });
  const limits = policy('weft.dev/v1', 'RateLimitPolicy', {
    limits: [{ name: 'all', requests: MOST_REQUESTS, per: '1s' }],
  });
  const authn = await configure('authn', authenticationConfig([accepts], NODE));
  const rbac = await configure('rbac', authorizationConfig([allows], NODE));
  const ratelimit = await configure('ratelimit', rateLimitConfig([limits], NODE));
  const fault = await configure('fault', null);
  const abort = faultConfig({ abort: { httpStatus: 500, percentage: { value: 0.0001 } } });
  const lines = [...FIELDS, `Authorization: Bearer ${token}`];
  const all = new FilterChain([authn, rbac, ratelimit, fault], [null, null, null, abort]);
  return {
    subjects: [
      chainSubject('chain: authn, rbac, ratelimit, fault', 9, all, lines),
      chainSubject('chain: authn', 3, new FilterChain([authn]), lines),
      chainSubject('chain: authn, rbac', 6, new FilterChain([authn, rbac]), lines),
      chainSubject('chain: ratelimit', 1.2, new FilterChain([ratelimit]), lines),
      chainSubject('chain: fault', 0.8, new FilterChain([fault], [abort]), lines),
    ],
    stop: () => runtime.stop(),
  };
}
