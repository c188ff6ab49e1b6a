// What a proxy says of itself to who asks its admin: what it is, since when, and what it was started with.

import type { ServerInfo } from '../admin/host.ts';
import type { LogLevel } from '../shard/protocol.ts';
import type { ProxyOptions } from './options.ts';

export const DRAIN_TIMEOUT_MS = 5_000;

interface Facts extends Pick<ServerInfo, 'startedAt' | 'node' | 'shards' | 'revision'> {
  /** Where its configuration comes from, as a clause. */
  readonly source: string;
  readonly logLevel: LogLevel;
}

export function serverInfo(options: ProxyOptions, { source, logLevel, ...facts }: Facts): ServerInfo {
  return {
    version: options.version ?? 'unknown',
    ...facts,
    options: {
      concurrency: facts.shards,
      source,
      log_level: logLevel,
      access_log: options.accessLog?.format ?? 'text',
      outbound_policy: options.outboundPolicy ?? 'ALLOW_ANY',
      drain_timeout_ms: options.drainTimeoutMs ?? DRAIN_TIMEOUT_MS,
    },
  };
}
