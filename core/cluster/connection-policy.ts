// What a cluster allows its connections, and asks of them. Types only.

import type { KeepAlive } from '../http/codec.ts';
import type { ProxyVersion } from '../transport/proxy-header.ts';
import type { Limits } from './limits.ts';

export interface ConnectionPolicy extends Limits {
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly maxRequestsPerConnection: number;
  /** Streams at a time on one connection, whatever the peer allows. */
  readonly maxConcurrentStreams: number;
  /** Of HTTP/2; null: nobody is asked. */
  readonly keepAlive: KeepAlive | null;
  /** In which version connections say for whom they are; null: they do not. */
  readonly proxyProtocol: ProxyVersion | null;
}
