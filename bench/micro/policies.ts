// What authn and rbac cost a request: with a token that was verified before, and with many rules of which the last one
// matches. Run it alone: `node bench/micro/policies.ts`.

import { createHash, generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';

import { SignJWT } from 'jose';
import { compileFilter } from '../../asbuild/compile.ts';
import { authenticationConfig } from '../../core/builtins/authn.ts';
import { authorizationConfig } from '../../core/builtins/rbac.ts';
import type { JWTRule } from '../../core/config/kinds/request-authentication.ts';
import type { FilterFactory, FilterStream } from '../../core/filter.ts';
import { Head } from '../../core/head.ts';
import type { ExchangeRecord } from '../../core/record.ts';
import type { VerifiedToken } from '../../core/tokens/verified.ts';
import { WasmRuntime } from '../../core/wasm/runtime.ts';
import { createSharedMemory } from '../../core/wasm/shared-memory.ts';
import { DEFAULT_LIMITS } from '../../core/wasm/spec.ts';
import type { Node } from '../../core/workload.ts';

const FILTERS = join(import.meta.dirname, '../../filters');
const REPEATS = 5;
const ISSUER = 'https://issuer.example';
const PRODUCTPAGE = 'cluster.local/ns/default/sa/bookinfo-productpage';

const NODE: Node = {
  id: 'sidecar~bench',
  role: 'sidecar',
  name: 'bench',
  workload: 'bench',
  namespace: 'default',
  serviceAccount: 'bench',
  trustDomain: 'cluster.local',
  labels: {},
  address: '127.0.0.1',
  app: null,
  services: [],
};

const runtime = new WasmRuntime({ node: NODE, shared: createSharedMemory(1), shard: 0, log: () => undefined });

async function builtin(name: string): Promise<(configuration: Uint8Array | null) => FilterFactory> {
  const bytes = await compileFilter({ name, entry: join(FILTERS, name, 'index.ts'), runtime: 'minimal' });
  const module = new WebAssembly.Module(bytes);
  const digest = createHash('sha256').update(bytes).digest('hex');
  return (configuration) => {
    if (configuration === null) throw new Error('no policy applies');
    return runtime.configure({
      ...{ name, digest, module, configuration, builtin: true, rootId: '', vmId: '', env: {} },
      ...{ vmConfiguration: new Uint8Array(0), failStrategy: 'FAIL_CLOSE', limits: DEFAULT_LIMITS },
      ...{ mayCall: null, proven: true, isolation: 'inline' },
    });
  };
}

/** The head as spans over the bytes that were received. */
function received(fields: readonly string[]): Head {
  const spans: number[] = [];
  let at = 0;
  for (const line of fields) {
    const colon = line.indexOf(':');
    spans.push(at, colon, at + colon + 2, line.length - colon - 2);
    at += line.length + 2;
  }
  const head = new Head(Buffer.from(fields.join('\r\n'), 'latin1'), spans);
  head.method = 'GET';
  head.newPath = '/reviews/0';
  head.newAuthority = 'reviews:9080';
  return head;
}

function streamOf(head: Head): FilterStream & { token: VerifiedToken | null } {
  const connection = {
    id: 1,
    remoteAddress: '127.1.0.2',
    remotePort: 4000,
    localAddress: '127.1.0.3',
    localPort: 9080,
  };
  const record = {
    direction: 'inbound',
    connection: { ...connection, memo: null },
    requestHead: head,
    destinationPort: 9080,
    sourcePrincipal: PRODUCTPAGE,
  } as unknown as ExchangeRecord;
  return {
    record,
    requestHead: head,
    responseHead: null,
    requestTrailers: null,
    responseTrailers: null,
    state: new Map(),
    token: null,
    body: () => null,
    resume: () => undefined,
    pass: () => undefined,
    pauseReading: () => undefined,
    resumeReading: () => undefined,
    close: () => undefined,
    localReply: () => {
      throw new Error('the request is refused');
    },
    resumeAfter: () => undefined,
    clearRouteCache: () => undefined,
    addFlag: () => undefined,
  };
}

/** Best of several runs, in nanoseconds of CPU a passage through the chain. */
function measure(name: string, chain: readonly FilterFactory[], fields: readonly string[], rounds: number): void {
  const head = received(fields);
  const { spans } = head;
  const asReceived = [...spans];
  const stream = streamOf(head);
  let best = Number.POSITIVE_INFINITY;
  for (let repeat = 0; repeat < REPEATS; repeat++) {
    const before = process.cpuUsage();
    for (let i = 0; i < rounds; i++) {
      stream.token = null;
      for (const factory of chain) {
        const filter = factory.open(stream, null);
        filter.requestHead(head, true);
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

const FIELDS = [
  'user-agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0)',
  'accept: text/html,application/xhtml+xml',
  'accept-encoding: gzip, deflate, br',
  'x-request-id: 3a3bbd40-7d3e-4c1f-8f34-5ad4b0b4a1c8',
  'x-forwarded-for: 127.0.0.1',
  'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
];

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const token = await new SignJWT({ iss: ISSUER, sub: 'jason', groups: ['readers', 'writers'], name: 'Jason' })
  .setProtectedHeader({ alg: 'RS256', kid: 'k' })
  .setExpirationTime('1h')
  .sign(privateKey);
const withToken = [...FIELDS, `authorization: Bearer ${token}`];
const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] });

const metadata = { name: 'bench', namespace: 'default' };
const makeAuthn = await builtin('authn');
const authn = (more: Partial<JWTRule> = {}): FilterFactory => {
  const spec = { jwtRules: [{ issuer: ISSUER, jwks, ...more }] };
  const policy = { apiVersion: 'security.istio.io/v1', kind: 'RequestAuthentication', metadata, spec };
  return makeAuthn(authenticationConfig([policy], NODE));
};
const makeRbac = await builtin('rbac');

/** A policy of so many rules, of which only the last one fits. */
function rbac(count: number, last: object): FilterFactory {
  const rules: object[] = [];
  for (let i = 1; i < count; i++) {
    rules.push({
      from: [{ source: { principals: [`cluster.local/ns/default/sa/service-${i}`] } }],
      to: [{ operation: { methods: ['GET'], paths: [`/service-${i}/*`] } }],
    });
  }
  const spec = { rules: [...rules, last] };
  const policy = { apiVersion: 'security.istio.io/v1', kind: 'AuthorizationPolicy', metadata, spec };
  return makeRbac(authorizationConfig([policy], NODE));
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
const kept = authn({ forwardOriginalToken: true });
const taken = authn();
const written = authn(claims);
measure('authn: no token', [kept], FIELDS, 300_000);
measure('authn: a token that was verified before, forwarded', [kept], withToken, 200_000);
measure('authn: the same, taken out', [taken], withToken, 200_000);
measure('authn: the same, with payload and a claim as headers', [written], withToken, 200_000);
measure('rbac: 1 rule (principal, method, path)', [rbac(1, byPrincipal)], FIELDS, 200_000);
measure('rbac: 10 rules, the last fits', [rbac(10, byPrincipal)], FIELDS, 200_000);
measure('rbac: 100 rules, the last fits', [rbac(100, byPrincipal)], FIELDS, 50_000);
measure('authn and rbac: issuer and claim', [kept, rbac(1, byClaim)], withToken, 100_000);
runtime.stop();
