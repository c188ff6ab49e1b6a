// What a proxy is started with, and what its starter holds afterwards. Types only.

import type { BusOptions } from '../../bus/types.ts';
import type { LogLevel, ShardOptions } from '../shard/protocol.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';
import type { Node } from '../workload.ts';

export interface Address {
  readonly address: string;
  /** 0: any free port. */
  readonly port: number;
}

export type ConfigSource =
  /** Configuration, endpoints and life signs over NATS. */
  | { readonly kind: 'bus'; readonly bus: BusOptions }
  /** All *.yaml, *.yml and *.json of a folder, read again as they change. */
  | { readonly kind: 'files'; readonly dir: string };

export type Log = (level: LogLevel, component: string, message: string) => void;

export interface ProxyOptions {
  readonly node: Node;
  readonly source: ConfigSource;
  /** Data-shard threads. Default: one a core. One where the system cannot share a port. */
  readonly shards?: number;
  /** null: no admin endpoint. Default: 127.0.0.1, any free port. */
  readonly admin?: Address | null;
  readonly listeners?: {
    readonly outbound?: Address;
    readonly inbound?: Address;
    /** Ports that lead to one port of one service each, as bytes; the node's `upstreams` are named by them. */
    readonly upstreams?: readonly (Address & { readonly upstream: string })[];
  };
  /** Where a Gateway's port is bound instead, by its number: { 80: 8080, 443: 0 }. */
  readonly gatewayPorts?: Readonly<Record<number, number>>;
  /** Where a Gateway's servers listen that have no `bind`. Default 127.0.0.1. */
  readonly gatewayAddress?: string;
  /** Keeps the last good configuration, so that the proxy starts without NATS. null: keeps none. */
  readonly stateDir?: string | null;
  /** Default 'text' to standard output. */
  readonly accessLog?: { readonly format: ShardOptions['accessLog']; readonly file?: string };
  /** Default ALLOW_ANY. */
  readonly outboundPolicy?: ShardOptions['outboundPolicy'];
  /** Ports of this machine's loopback that no request may be sent to: the mesh's own servers. The admin's is one anyway. */
  readonly protectedPorts?: readonly number[];
  /** What the configuration has fetched (key sets) may lie in private networks and on this machine. Default false. */
  readonly allowPrivateFetch?: boolean;
  /** Default 5000. */
  readonly drainTimeoutMs?: number;
  /** How long a client may take for a handshake of TLS. Default 15000. */
  readonly handshakeTimeoutMs?: number;
  /** Metrics no longer show a series that counted nothing for so long, and its place is used again. Default: an hour. */
  readonly seriesExpiryMs?: number;
  /** A shard that shows no sign of life for so long is replaced. Default 5000. */
  readonly stuckAfterMs?: number;
  readonly logLevel?: LogLevel;
  /** Default: one line each to standard error. */
  readonly log?: Log;
  /** Registers the workload's endpoint as soon as the proxy is ready. Default true; else `register` does. */
  readonly register?: boolean;
  /** Of the program, for leases, /server_info and metrics. */
  readonly version?: string;
  /** How long a lease lives unrenewed. Default 15000. */
  readonly leaseTtlMs?: number;
  /** The task that a shard runs, for tests of supervision. Default core/shard. */
  readonly shardFile?: URL;
}

export interface Proxy {
  readonly node: Node;
  /** 'http://127.0.0.1:15000', or null without. */
  readonly admin: string | null;
  /** With their real ports. Gateways' follow the configuration. */
  readonly listeners: readonly ListenerSpec[];
  /** 'http://127.0.0.1:15001', or null without. */
  readonly outbound: string | null;
  readonly inbound: string | null;
  /** Resolves when the first configuration serves; rejects when the proxy ends before. */
  readonly ready: Promise<void>;
  /** Why it does not serve yet, in one clause; `refused`: the newest configuration is one that it cannot run. */
  readonly waiting: { readonly reason: string; readonly refused: boolean };
  /** Makes the workload's endpoint known to the mesh; no effect when it is, or without a bus. */
  register(): Promise<void>;
  /** Takes the endpoint back: nobody calls the workload any more, what has begun goes on. */
  unregister(): Promise<void>;
  /** Leaves discovery and finishes what has begun within `drainTimeoutMs`. */
  finish(): Promise<void>;
  /** Finishes, and ends. */
  drain(): Promise<void>;
  /** Ends at once. */
  close(): Promise<void>;
  /** Resolves after drain, close or POST /quitquitquit. */
  readonly exited: Promise<void>;
}
