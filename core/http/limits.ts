// What the codecs of this proxy allow their peers: as Envoy where it has a limit.

import type { Timers } from '../timers.ts';
import type { ClientOptions, ServerOptions } from './codec.ts';

const MAX_HEAD_BYTES = 60 << 10;
const MAX_FIELDS = 100;

/** For connections from clients. Only the outbound port of a sidecar is a forward proxy. */
export function serverOptions(kind: 'inbound' | 'outbound' | 'gateway', timers: Timers): ServerOptions {
  return {
    timers,
    mode: kind === 'outbound' ? 'forward' : 'reverse',
    maxHeadBytes: MAX_HEAD_BYTES,
    maxFields: MAX_FIELDS,
    headerTimeoutMs: 10_000,
    idleTimeoutMs: 3_600_000,
    maxStreams: 16,
    destination: null,
  };
}

/** For connections to upstreams. */
export const CLIENT_OPTIONS: ClientOptions = { maxHeadBytes: MAX_HEAD_BYTES, maxFields: MAX_FIELDS };
