// What the tests of the host have in common: a node, a runtime, and a small FilterStream that remembers what was asked.

import { createHash } from 'node:crypto';
import type { VerifiedToken } from '../../../core/builtins/authn/verified.ts';
import type { Flag } from '../../../core/errors.ts';
import type { BodyBuffer } from '../../../core/exchange/body-buffer.ts';
import type { Direction, FilterConfiguration, FilterStream, LocalReply } from '../../../core/exchange/filter.ts';
import type { ExchangeRecord } from '../../../core/exchange/record.ts';
import { Head } from '../../../core/http/head.ts';
import { type RuntimeOptions, WasmRuntime } from '../../../core/wasm/guest/runtime.ts';
import { DEFAULT_LIMITS, type PluginSpec } from '../../../core/wasm/guest/spec.ts';
import { createSharedMemory } from '../../../core/wasm/shared/shared-memory.ts';
import type { Node } from '../../../core/workload.ts';

export const NODE: Node = {
  id: 'sidecar~reviews-v1-1',
  role: 'sidecar',
  name: 'reviews-v1-1',
  workload: 'reviews-v1',
  namespace: 'default',
  serviceAccount: 'bookinfo-reviews',
  trustDomain: 'cluster.local',
  labels: { app: 'reviews', version: 'v1' },
  address: '127.0.0.1',
  app: { address: '127.0.0.1', port: 9080 },
  services: ['reviews.default.svc.cluster.local'],
};

export interface LogLine {
  readonly level: string;
  readonly message: string;
}

export function runtimeFor(options: Partial<RuntimeOptions> = {}): { runtime: WasmRuntime; lines: LogLine[] } {
  const lines: LogLine[] = [];
  const runtime = new WasmRuntime({
    node: NODE,
    shared: createSharedMemory(1, 256 * 1024),
    shard: 0,
    logLevel: 'debug',
    log: (level, _component, message) => void lines.push({ level, message }),
    ...options,
  });
  return { runtime, lines };
}

/** A configuration of these bytes alone. */
export function plain(bytes: Uint8Array): FilterConfiguration {
  return { bytes, patterns: [] };
}

export function specFor(bytes: Uint8Array, changes: Partial<PluginSpec> = {}): PluginSpec {
  return {
    name: 'test',
    digest: createHash('sha256').update(bytes).digest('hex'),
    module: new WebAssembly.Module(bytes),
    builtin: null,
    rootId: '',
    vmId: '',
    vmConfiguration: new Uint8Array(0),
    configuration: new Uint8Array(0),
    env: {},
    failStrategy: 'FAIL_CLOSE',
    limits: DEFAULT_LIMITS,
    isolation: 'inline',
    mayCall: null,
    capabilities: null,
    proven: false,
    ...changes,
  };
}

export function recordFor(changes: Partial<ExchangeRecord> = {}): ExchangeRecord {
  return {
    direction: 'inbound',
    connection: {
      id: 7,
      remoteAddress: '127.1.0.2',
      remotePort: 40000,
      localAddress: '127.1.0.3',
      localPort: 9080,
      tls: null,
    },
    protocol: 'HTTP/1.1',
    startTime: 1_700_000_000_000,
    requestEndMs: -1,
    responseStartMs: -1,
    durationMs: -1,
    upstreamServiceMs: -1,
    requestHead: null,
    originalPath: null,
    responseHead: null,
    responseTrailers: null,
    requestId: 'b1946ac9',
    bytesReceived: 0,
    bytesSent: 0,
    messages: null,
    responseCode: 0,
    responseCodeDetails: '',
    flags: 0,
    virtualHostName: '',
    routeName: 'default',
    clusterName: '',
    clusterEndpoints: 0,
    upstreamHost: '',
    upstreamLocalAddress: '',
    upstreamTls: null,
    upstreamTransportFailure: '',
    attempts: 0,
    destinationService: 'reviews.default.svc.cluster.local',
    destinationPort: 9080,
    source: null,
    destination: null,
    sourcePrincipal: '',
    ...changes,
  };
}

/** A chain of one filter, without a chain: it keeps what was asked for. */
export class TestStream implements FilterStream {
  readonly record: { -readonly [K in keyof ExchangeRecord]: ExchangeRecord[K] };
  requestHead: Head;
  requestTrailers: Head | null = null;
  readonly bodies: Record<Direction, BodyBuffer | null> = { request: null, response: null };
  readonly state = new Map<string, Uint8Array>();
  token: VerifiedToken | null = null;
  readonly replies: LocalReply[] = [];
  readonly resumed: Direction[] = [];
  readonly closed: Direction[] = [];
  readonly endedHere: Direction[] = [];
  readonly passed: [Direction, Buffer][] = [];
  readonly stalled = new Set<Direction>();
  readonly gathers: { most: number; gathered: () => void }[] = [];
  readonly delays: number[] = [];
  readonly flags: Flag[] = [];
  routeCacheCleared = 0;
  /** Called whenever the filter asks for something. */
  onAsked: () => void = () => undefined;

  constructor(requestHead = Head.request('GET', 'reviews:9080', '/reviews/0'), record: Partial<ExchangeRecord> = {}) {
    this.requestHead = requestHead;
    this.record = recordFor({ requestHead, ...record });
  }

  get responseHead(): Head | null {
    return this.record.responseHead;
  }
  set responseHead(head: Head) {
    this.record.responseHead = head;
    this.record.responseCode = head.status;
  }
  get responseTrailers(): Head | null {
    return this.record.responseTrailers;
  }
  set responseTrailers(trailers: Head) {
    this.record.responseTrailers = trailers;
  }
  body(direction: Direction): BodyBuffer | null {
    return this.bodies[direction];
  }
  resume(direction: Direction): void {
    this.resumed.push(direction);
    this.onAsked();
  }
  gather(most: number, gathered: () => void): void {
    this.gathers.push({ most, gathered });
  }
  pass(direction: Direction, bytes: Buffer): void {
    this.passed.push([direction, bytes]);
    this.onAsked();
  }
  endStream(direction: Direction): void {
    this.endedHere.push(direction);
  }
  pauseReading(direction: Direction): void {
    this.stalled.add(direction);
  }
  resumeReading(direction: Direction): void {
    this.stalled.delete(direction);
  }
  close(direction: Direction): void {
    this.closed.push(direction);
    this.onAsked();
  }
  localReply(reply: LocalReply): void {
    this.replies.push(reply);
    this.onAsked();
  }
  resumeAfter(ms: number): void {
    this.delays.push(ms);
  }
  clearRouteCache(): void {
    this.routeCacheCleared++;
  }
  addFlag(flag: Flag): void {
    this.flags.push(flag);
  }
}
