// What the shards of a proxy are told of how it was started.

import type { ShardOptions } from '../shard/protocol.ts';
import { SERIES_EXPIRY_MS } from '../telemetry/prometheus.ts';
import type { ProxyOptions } from './options.ts';
import { DRAIN_TIMEOUT_MS } from './server-info.ts';

const MAX_ACTIVE_REQUESTS = 20_000;
const HANDSHAKE_TIMEOUT_MS = 15_000;

/** `ownPorts`: beside those that the options protect. */
export function shardOptions(
  options: ProxyOptions,
  { ownPorts, ...own }: Pick<ShardOptions, 'reusePort' | 'logLevel' | 'sessionSeed'> & { ownPorts: readonly number[] },
): ShardOptions {
  return {
    ...own,
    protectedPorts: [...ownPorts, ...(options.protectedPorts ?? [])],
    accessLog: options.accessLog?.format ?? 'text',
    maxActiveRequests: MAX_ACTIVE_REQUESTS,
    outboundPolicy: options.outboundPolicy ?? 'ALLOW_ANY',
    drainTimeoutMs: options.drainTimeoutMs ?? DRAIN_TIMEOUT_MS,
    handshakeTimeoutMs: options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
    seriesExpiryMs: options.seriesExpiryMs ?? SERIES_EXPIRY_MS,
  };
}
