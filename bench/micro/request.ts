// What filters are timed with: who the proxy is, a request's head as the codec leaves it, a stream that lets pass, and the
// built-in filters as they were built.

import { generateKeyPairSync } from 'node:crypto';
import { type JWTPayload, SignJWT } from 'jose';
import { loadBuiltins } from '../../asbuild/manifest.ts';
import { NO_REMOTE_KEYS } from '../../core/builtins/authn/rules.ts';
import type { VerifiedToken } from '../../core/builtins/authn/verified.ts';
import { createBuiltinMemory, foreignFunctions } from '../../core/builtins/builtins.ts';
import type { FilterConfiguration, FilterFactory, FilterStream } from '../../core/exchange/filter.ts';
import type { ExchangeRecord } from '../../core/exchange/record.ts';
import { Head } from '../../core/http/head.ts';
import { WasmRuntime } from '../../core/wasm/guest/runtime.ts';
import { DEFAULT_LIMITS, type PluginSpec } from '../../core/wasm/guest/spec.ts';
import { createSharedMemory } from '../../core/wasm/shared/shared-memory.ts';
import type { Node } from '../../core/workload.ts';

const EMPTY = new Uint8Array(0);

export const NODE: Node = {
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

export const PRODUCTPAGE = 'cluster.local/ns/default/sa/bookinfo-productpage';

export const CONNECTION = {
  id: 1,
  remoteAddress: '127.1.0.2',
  remotePort: 4000,
  localAddress: '127.1.0.3',
  localPort: 9080,
  tls: null,
} as const;

export const FIELDS: readonly string[] = [
  'Host: reviews:9080',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0)',
  'Accept: text/html,application/xhtml+xml',
  'Accept-Encoding: gzip, deflate, br',
  'Cookie: session=abcdef0123456789',
  'X-Request-Id: 3a3bbd40-7d3e-4c1f-8f34-5ad4b0b4a1c8',
  'X-Forwarded-For: 127.0.0.1',
  'Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
];

/** A GET of /reviews/0: spans over the bytes of these lines, as they were received. */
export function received(lines: readonly string[]): Head {
  const spans: number[] = [];
  let at = 0;
  for (const line of lines) {
    const colon = line.indexOf(':');
    // Host is the authority, no field.
    spans.push(line.startsWith('Host:') ? -1 : at, colon, at + colon + 2, line.length - colon - 2);
    at += line.length + 2;
  }
  const head = new Head(Buffer.from(lines.join('\r\n'), 'latin1'), spans);
  head.method = 'GET';
  head.newPath = '/reviews/0';
  head.newAuthority = 'reviews:9080';
  return head;
}

/** Of a request that productpage sends to reviews: what filters read. */
export function recordOf(head: Head): ExchangeRecord {
  return {
    direction: 'inbound',
    connection: { ...CONNECTION },
    requestHead: head,
    destinationPort: 9080,
    sourcePrincipal: PRODUCTPAGE,
  } as unknown as ExchangeRecord;
}

/** One whose filters may do as they like. */
export function streamOf(head: Head): FilterStream & { token: VerifiedToken | null } {
  return {
    record: recordOf(head),
    requestHead: head,
    responseHead: null,
    requestTrailers: null,
    responseTrailers: null,
    state: new Map(),
    token: null,
    body: () => null,
    gather: () => undefined,
    resume: () => undefined,
    endStream: () => undefined,
    pass: () => undefined,
    pauseReading: () => undefined,
    resumeReading: () => undefined,
    close: () => undefined,
    localReply: () => undefined,
    resumeAfter: () => undefined,
    clearRouteCache: () => undefined,
    addFlag: () => undefined,
  };
}

/** A plugin as built-in filters run: in the shard, with nothing but its module and its configuration. */
export function plainSpec(module: {
  readonly name: string;
  readonly digest: string;
  readonly module: WebAssembly.Module;
  readonly configuration: Uint8Array;
}): PluginSpec {
  return {
    ...module,
    builtin: { bytes: module.configuration, patterns: [] },
    rootId: '',
    vmId: '',
    vmConfiguration: EMPTY,
    env: {},
    failStrategy: 'FAIL_CLOSE',
    isolation: 'inline',
    limits: DEFAULT_LIMITS,
    mayCall: null,
    capabilities: null,
    proven: true,
  };
}

/** One shard's. `frames`: whether guests are spared the calls that the SDK's frame makes needless, as a shard's are. */
export function startRuntime(frames = true): WasmRuntime {
  const foreign = foreignFunctions({
    ...{ shard: 0, memory: createBuiltinMemory(1), keys: NO_REMOTE_KEYS },
    upstreams: { find: () => null },
  });
  return new WasmRuntime({
    node: NODE,
    shared: createSharedMemory(1),
    foreign,
    shard: 0,
    log: () => undefined,
    frames,
  });
}

/** What configures a built-in filter in this runtime, by its name. */
export function builtinsIn(
  runtime: WasmRuntime,
): (name: string, configuration: FilterConfiguration | null) => Promise<FilterFactory> {
  const modules = new Map(loadBuiltins().map((module) => [module.name, module]));
  return async (name, configuration) => {
    const { digest, bytes } = modules.get(name)!;
    const module = await WebAssembly.compile(bytes);
    const spec = plainSpec({ name, digest, module, configuration: configuration?.bytes ?? EMPTY });
    return runtime.configure(configuration === null ? spec : { ...spec, builtin: configuration });
  };
}

/** A token, and the key set that verifies it. */
export async function signed(claims: JWTPayload): Promise<{ readonly token: string; readonly jwks: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const token = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .setExpirationTime('1h')
    .sign(privateKey);
  return { token, jwks: JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] }) };
}
