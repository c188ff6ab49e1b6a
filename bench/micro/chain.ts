// What the chain of the benchmark costs a request: a token that was verified before, a rule on its principal, a limit, a fault of
// one in a million; all of them, and each alone.

import { generateKeyPairSync } from 'node:crypto';

import { SignJWT } from 'jose';
import { loadBuiltins } from '../../asbuild/manifest.ts';
import { authenticationConfig } from '../../core/builtins/authn.ts';
import { faultConfig } from '../../core/builtins/fault.ts';
import { rateLimitConfig } from '../../core/builtins/ratelimit.ts';
import { authorizationConfig } from '../../core/builtins/rbac.ts';
import { Passage, type Traveller } from '../../core/chain.ts';
import { ChainSpec } from '../../core/chain-spec.ts';
import type { FilterFactory } from '../../core/filter.ts';
import { WasmRuntime } from '../../core/wasm/runtime.ts';
import { createSharedMemory } from '../../core/wasm/shared-memory.ts';
import { DEFAULT_LIMITS } from '../../core/wasm/spec.ts';
import { MOST_REQUESTS } from '../setups.ts';
import type { Subject } from './subject.ts';
import { headOf, NODE, REQUEST, record } from './wasm.ts';

const EMPTY = new Uint8Array(0);
const ISSUER = 'https://bench.example';
const metadata = { name: 'bench', namespace: NODE.namespace };

/** `stop` ends the guests. */
export async function chainSubjects(): Promise<{ subjects: readonly Subject[]; stop: () => void }> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const token = await new SignJWT({ iss: ISSUER, sub: 'client' })
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .setExpirationTime('1h')
    .sign(privateKey);
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] });
  const runtime = new WasmRuntime({ node: NODE, shared: createSharedMemory(1), shard: 0, log: () => undefined });
  const modules = new Map(loadBuiltins().map((module) => [module.name, module]));
  const configure = async (name: string, configuration: Uint8Array | null): Promise<FilterFactory> => {
    const { digest, bytes } = modules.get(name)!;
    return runtime.configure({
      ...{ name, digest, module: await WebAssembly.compile(bytes), builtin: true, rootId: '', vmId: '' },
      ...{ vmConfiguration: EMPTY, configuration: configuration ?? EMPTY, env: {}, failStrategy: 'FAIL_CLOSE' },
      ...{ limits: DEFAULT_LIMITS, mayCall: null, proven: true, isolation: 'inline' },
    });
  };
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
  const fault = await configure('fault', EMPTY);
  const abort = faultConfig({ abort: { httpStatus: 500, percentage: { value: 0.0001 } } });
  const received = [...REQUEST, `Authorization: Bearer ${token}`];
  const all = new ChainSpec([authn, rbac, ratelimit, fault], [null, null, null, abort]);
  return {
    subjects: [
      passage('chain: authn, rbac, ratelimit, fault', 9, all, received),
      passage('chain: authn', 3, new ChainSpec([authn]), received),
      passage('chain: authn, rbac', 6, new ChainSpec([authn, rbac]), received),
      passage('chain: ratelimit', 1.2, new ChainSpec([ratelimit]), received),
      passage('chain: fault', 0.8, new ChainSpec([fault], [abort]), received),
    ],
    stop: () => runtime.stop(),
  };
}

/** A request enters all of them, and ends. */
function passage(name: string, budget: number, chain: ChainSpec, received: readonly string[]): Subject {
  const head = headOf(received);
  let passed = 0;
  const exchange = {
    ...record,
    requestHead: head,
    forward: () => void passed++,
    reply: () => undefined,
  } as unknown as Traveller;
  return {
    name,
    budget,
    run(times) {
      passed = 0;
      for (let i = 0; i < times; i++) {
        const through = new Passage(exchange, chain);
        through.enter(true);
        through.end();
      }
      // One in a million is by chance.
      if (times - passed > 1 + times / 1000) throw new Error(`${name}: ${times - passed} of ${times} did not pass`);
    },
  };
}
