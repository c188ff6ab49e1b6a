// What a peer is: a reverse proxy that the harness starts in front of one upstream. Types only.

import type { Child, Children } from '../children.ts';
import type { Credentials } from '../credentials.ts';
import type { FilterFile } from '../filter-files.ts';
import type { Setup } from '../setups.ts';
import type { Usage } from '../usage.ts';

export interface Peer {
  readonly name: string;
  /** Fetches what it needs and can be fetched. Why this machine cannot measure it and what to install, or null. */
  prepare(): Promise<string | null>;
  /** What was measured: 'nginx/1.22.1'. */
  version(): string;
  /** Why it cannot be configured like this, or null. */
  lacks(setup: Setup): string | null;
  /** Starts it; the harness waits until `origin` answers. */
  start(setting: PeerSetting): Promise<RunningPeer>;
}

export interface PeerSetting {
  readonly children: Children;
  /** Empty and its own; gone after the run. */
  readonly folder: string;
  readonly upstreamPort: number;
  /** With one hop: the harness puts proxies in front of each other. */
  readonly setup: Setup;
  /** Whose tokens the chain accepts. */
  readonly credentials: Credentials;
  readonly filterFile: FilterFile;
}

export interface RunningPeer {
  /** 'http://127.0.0.1:PORT' */
  readonly origin: string;
  /** All must live as long as it serves, and are ended after that. */
  readonly processes: readonly Child[];
  /** What of them counts as the peer. Default: they and all that descends from them. */
  usage?(): Usage;
  /** What its answers cost others: the applications, the control plane. By the name under which it is reported. */
  readonly beside?: Readonly<Record<string, () => Usage>>;
  /** Changes its configuration: from soon on the path leads to the upstream's /300. */
  readonly addRoute?: (path: string) => Promise<void>;
}
