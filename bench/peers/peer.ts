// What a peer is: a reverse proxy that the harness starts in front of one upstream. Types only.

import type { Child, Children } from '../children.ts';

export interface Peer {
  readonly name: string;
  /** Why this machine cannot measure it ('nginx is not on PATH: apt-get install nginx'), or null. */
  missing(): string | null;
  /** What was measured: 'nginx/1.22.1'. */
  version(): string;
  /** Starts it; the harness waits until `origin` answers. */
  start(setting: PeerSetting): Promise<RunningPeer>;
}

export interface PeerSetting {
  readonly children: Children;
  /** Empty and its own; gone after the run. */
  readonly folder: string;
  readonly upstreamPort: number;
}

export interface RunningPeer {
  /** 'http://127.0.0.1:PORT' */
  readonly origin: string;
  /** Its time and memory, and those of the processes that descend from it, are the peer's. */
  readonly process: Child;
}
