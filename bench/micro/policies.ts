// What authn and rbac cost a request: with a token that was verified before, and with many rules of which the last one
// matches. Run it alone: `node bench/micro/policies.ts`.

import { authenticationConfig } from '../../core/builtins/authn/authn.ts';
import { authorizationConfig } from '../../core/builtins/rbac/rbac.ts';
import type { JWTRule } from '../../core/config/kinds/request-authentication.ts';
import type { FilterFactory } from '../../core/exchange/filter.ts';
import { builtinsIn, FIELDS, NODE, PRODUCTPAGE, received, signed, startRuntime, streamOf } from './request.ts';

const REPEATS = 5;
const ISSUER = 'https://issuer.example';

const runtime = startRuntime();
const configure = builtinsIn(runtime);

/** Best of several runs, in nanoseconds of CPU a passage through the chain. */
function measure(name: string, chain: readonly FilterFactory[], fields: readonly string[], rounds: number): void {
  const head = received(fields);
  const { spans } = head;
  const asReceived = [...spans];
  const stream: ReturnType<typeof streamOf> = {
    ...streamOf(head),
    localReply: () => {
      throw new Error('the request is refused');
    },
  };
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const before = process.cpuUsage();
    for (let i = 0; i < rounds; i++) {
      stream.token = null;
      for (const factory of chain) {
        const filter = factory.open(stream, null);
        filter.head('request', head, true);
        filter.done();
      }
      head.added.length = 0;
      for (let at = 0; at < asReceived.length; at++) spans[at] = asReceived[at];
    }
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, ((user + system) * 1000) / rounds);
  }
  process.stdout.write(`${name.padEnd(64)} ${best.toFixed(0).padStart(6)} ns\n`);
}

const { token, jwks } = await signed({ iss: ISSUER, sub: 'jason', groups: ['readers', 'writers'], name: 'Jason' });
const withToken = [...FIELDS, `Authorization: Bearer ${token}`];

const metadata = { name: 'bench', namespace: 'default' };
const authn = (more: Partial<JWTRule> = {}): Promise<FilterFactory> => {
  const spec = { jwtRules: [{ issuer: ISSUER, jwks, ...more }] };
  const policy = { apiVersion: 'security.istio.io/v1', kind: 'RequestAuthentication', metadata, spec };
  return configure('authn', authenticationConfig([policy], NODE));
};

/** A policy of so many rules, of which only the last one fits. */
function rbac(count: number, last: object): Promise<FilterFactory> {
  const rules: object[] = [];
  for (let i = 1; i < count; i++) {
    rules.push({
      from: [{ source: { principals: [`cluster.local/ns/default/sa/service-${i}`] } }],
      to: [{ operation: { methods: ['GET'], paths: [`/service-${i}/*`] } }],
    });
  }
  const spec = { rules: [...rules, last] };
  const policy = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata, spec };
  return configure('rbac', authorizationConfig([policy], NODE));
}

const byPrincipal = {
  from: [{ source: { principals: [PRODUCTPAGE] } }],
  to: [{ operation: { methods: ['GET'], paths: ['/reviews/*'] } }],
};
const byClaim = {
  from: [{ source: { requestPrincipals: [`${ISSUER}/*`] } }],
  when: [{ key: 'request.auth.claims[groups]', values: ['writers'] }],
};

const claims = { outputClaimToHeaders: [{ header: 'x-sub', claim: 'sub' }], outputPayloadToHeader: 'x-payload' };
const kept = await authn({ forwardOriginalToken: true });
const taken = await authn();
const written = await authn(claims);
measure('authn: no token', [kept], FIELDS, 300_000);
measure('authn: a token that was verified before, forwarded', [kept], withToken, 200_000);
measure('authn: the same, taken out', [taken], withToken, 200_000);
measure('authn: the same, with payload and a claim as headers', [written], withToken, 200_000);
measure('rbac: 1 rule (principal, method, path)', [await rbac(1, byPrincipal)], FIELDS, 200_000);
measure('rbac: 10 rules, the last fits', [await rbac(10, byPrincipal)], FIELDS, 200_000);
measure('rbac: 100 rules, the last fits', [await rbac(100, byPrincipal)], FIELDS, 50_000);
measure('authn and rbac: issuer and claim', [kept, await rbac(1, byClaim)], withToken, 100_000);
runtime.stop();
