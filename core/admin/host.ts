// What the admin endpoints ask of the proxy they belong to. Types only; the main thread implements it.

import type { DumpKind, LogLevel } from '../shard/protocol.ts';
import type { Node } from '../workload.ts';

export type ServerState = 'LIVE' | 'PRE_INITIALIZING' | 'DRAINING';

export interface ServerInfo {
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
  readonly node: Node;
  readonly shards: number;
  /** Of the configuration that serves; -1 before there is one. */
  readonly revision: number;
  /** What it was started with, as far as anybody may know it. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** One certificate of what the proxy shows or trusts, for people. */
export interface SecretDump {
  /** 'default', 'ROOTCA', or what the configuration names. */
  readonly name: string;
  readonly type: 'Cert Chain' | 'CA';
  readonly status: 'ACTIVE' | 'WARMING' | 'EXPIRED';
  readonly valid: boolean;
  readonly serialNumber: string;
  /** ISO 8601. */
  readonly notAfter: string;
  readonly notBefore: string;
  /** URIs that it is for; of a root its subject. */
  readonly identity: string;
  /** SHA-256 in hex. */
  readonly fingerprint: string;
  /** Of the workload's own: that of the root it is below, or ''. */
  readonly root?: string;
  /** The same of what signed it. */
  readonly issuer?: string;
}

export interface AdminHost {
  /** Ready when LIVE; `reason` says in a clause why it is anything else, or what is missing all the same, or is ''. */
  state(): { readonly state: ServerState; readonly reason: string };
  /** The answers of the shards that live, see core/shard/dump.ts for their shapes. Empty when none answers in time. */
  dump(kind: DumpKind): Promise<readonly unknown[]>;
  /** What the workload shows to others, and whom it believes; never a key. */
  secrets(): readonly SecretDump[];
  /** Asks for the secrets that the configuration names again. */
  lookForSecrets(): Promise<void>;
  serverInfo(): ServerInfo;
  /** In Prometheus' text exposition format. */
  prometheus(): Promise<string>;
  /** Sets the level when one is given; returns the one that holds. */
  logLevel(level?: LogLevel): LogLevel;
  /** Begins to take no new connections. Called after the request for it is answered. */
  drain(): void;
  /** Begins to end in order. Called after the request for it is answered. */
  quit(): void;
  /** Fails, or no longer fails, the readiness check, whatever the state. */
  healthcheck(fail: boolean): void;
}
