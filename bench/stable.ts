// The peers that run: those of a scenario are started together and stay for the next one that wants them as they are.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Children } from './children.ts';
import type { Credentials } from './credentials.ts';
import type { FilterFile } from './filter-files.ts';
import type { Peer, RunningPeer } from './peers/peer.ts';
import type { Entrant } from './scenarios/scenario.ts';
import { type Setup, setupKey } from './setups.ts';
import { sumOf, type Usage, usage } from './usage.ts';

export interface Stall extends RunningPeer {
  readonly entrant: Entrant;
  /** Of all that is the peer's. */
  usage(): Usage;
  alive(): boolean;
  /** What its processes printed last. */
  said(): string;
}

export interface StableSetting {
  readonly children: Children;
  /** Empty and its own. */
  readonly folder: string;
  upstreamPort(behind: Setup['behind']): Promise<number>;
  readonly credentials: Credentials;
  readonly filterFile: FilterFile;
}

export class Stable {
  private readonly peers: ReadonlyMap<string, Peer>;
  private readonly setting: StableSetting;
  private readonly running = new Map<string, Stall>();
  private started = 0;

  constructor(peers: readonly Peer[], setting: StableSetting) {
    this.peers = new Map(peers.map((peer) => [peer.name, peer]));
    this.setting = setting;
  }

  /** The one that runs already like this, or a new one. Rejects when it cannot be started. */
  async get(entrant: Entrant): Promise<Stall> {
    const key = keyOf(entrant);
    const known = this.running.get(key);
    if (known !== undefined) return { ...known, entrant };
    const stall = await this.start(entrant);
    this.running.set(key, stall);
    return stall;
  }

  /** Ends all that are not among these. */
  async keep(entrants: readonly Entrant[]): Promise<void> {
    const wanted = new Set(entrants.map(keyOf));
    for (const [key, stall] of this.running) {
      if (wanted.has(key)) continue;
      this.running.delete(key);
      await this.end(stall);
    }
  }

  /** A new one, to be ended by the caller. */
  async start(entrant: Entrant): Promise<Stall> {
    const peer = this.peers.get(entrant.peer)!;
    const { hops } = entrant.setup;
    let upstreamPort = await this.setting.upstreamPort(entrant.setup.behind);
    const chain: RunningPeer[] = [];
    for (let hop = 0; hop < hops; hop++) {
      const folder = join(this.setting.folder, `${entrant.peer}-${this.started++}`);
      mkdirSync(folder);
      const one = await peer.start({ ...this.setting, folder, upstreamPort, setup: { ...entrant.setup, hops: 1 } });
      chain.push(one);
      upstreamPort = Number(new URL(one.origin).port);
    }
    const processes = chain.flatMap((one) => one.processes);
    return {
      origin: chain[hops - 1].origin,
      addRoute: hops === 1 ? chain[0].addRoute : undefined,
      beside: hops === 1 ? chain[0].beside : undefined,
      entrant,
      processes,
      usage: () => sumOf(chain.map((one) => one.usage?.() ?? sumOf(one.processes.map(({ pid }) => usage(pid))))),
      alive: () => processes.every((process) => process.alive()),
      said: () => processes.map((process) => process.output()).join('\n'),
    };
  }

  async end(stall: Stall): Promise<void> {
    await Promise.all(stall.processes.map((process) => this.setting.children.end(process)));
  }
}

function keyOf({ peer, setup }: Entrant): string {
  return `${peer} ${setupKey(setup)}`;
}
