// Who is at the other end of a connection. In plain text on one machine that is the workload whose own loopback address it
// comes from, and nothing that a header says. Whose an address is may be learned while its connections live.

import { isOwnAddress } from '../own-address.ts';
import type { Workload, WorkloadEndpoint } from '../workload.ts';
import type { Peer, PeerTable } from './transport.ts';

export class Peers implements PeerTable, PeerSource {
  /** Grows with every change of who has which address. */
  version = 0;
  private readonly said = new Map<string, readonly WorkloadEndpoint[]>();
  /** By address: who says that it is theirs, by who says it. */
  private readonly workloads = new Map<string, Map<string, Workload>>();

  /** What `key` says of itself from now on. */
  learn(key: string, endpoints: readonly WorkloadEndpoint[]): void {
    const own = endpoints.filter(({ address }) => isOwnAddress(address));
    const before = this.said.get(key) ?? [];
    if (own.length === 0 && before.length === 0) return;
    for (const { address } of before) {
      const those = this.workloads.get(address);
      those?.delete(key);
      if (those?.size === 0) this.workloads.delete(address);
    }
    for (const endpoint of own) {
      const those = this.workloads.get(endpoint.address);
      if (those === undefined) this.workloads.set(endpoint.address, new Map([[key, endpoint]]));
      else those.set(key, endpoint);
    }
    if (own.length === 0) this.said.delete(key);
    else this.said.set(key, own);
    this.version++;
  }

  /** Of several that claim an address it is the first by name, whoever came first. */
  find(address: string): Workload | null {
    const those = this.workloads.get(address);
    if (those === undefined) return null;
    if (those.size === 1) for (const workload of those.values()) return workload;
    return those.get([...those.keys()].sort()[0]) ?? null;
  }

  /** The peer of a connection from, or to, this address. */
  at(address: string): Peer {
    return new AddressPeer(this, address);
  }
}

/** Where only this workload can be. */
export class OnePeer implements PeerTable {
  private readonly peer: Peer;

  constructor(workload: Workload) {
    this.peer = new AddressPeer({ version: 0, find: () => workload }, '');
  }

  at(): Peer {
    return this.peer;
  }
}

/** Who is at the other end of a connection whose certificate says who it is: nobody that an address alone would make it. */
export class CertifiedPeers implements PeerTable {
  private readonly peers: PeerTable;
  private readonly principal: string;

  /** `principal`: without spiffe://. */
  constructor(peers: PeerTable, principal: string) {
    this.peers = peers;
    this.principal = principal;
  }

  at(address: string): Peer {
    return new CertifiedPeer(this.peers.at(address), this.principal);
  }
}

class CertifiedPeer implements Peer {
  readonly principal: string;
  private readonly there: Peer;

  constructor(there: Peer, principal: string) {
    this.there = there;
    this.principal = principal;
  }

  /** Which of those that run as this one it is, where its address says so. */
  get workload(): Workload | null {
    return this.there.principal === this.principal ? this.there.workload : null;
  }
}

interface PeerSource {
  readonly version: number;
  find(address: string): Workload | null;
}

class AddressPeer implements Peer {
  private readonly source: PeerSource;
  private readonly address: string;
  private version = -1;
  private known: Workload | null = null;
  private name = '';

  constructor(source: PeerSource, address: string) {
    this.source = source;
    this.address = address;
  }

  get workload(): Workload | null {
    if (this.version !== this.source.version) this.recognise();
    return this.known;
  }

  get principal(): string {
    if (this.version !== this.source.version) this.recognise();
    return this.name;
  }

  private recognise(): void {
    const { source } = this;
    const workload = source.find(this.address);
    this.version = source.version;
    this.known = workload;
    this.name = workload === null ? '' : principalOf(workload);
  }
}

function principalOf({ trustDomain, namespace, serviceAccount }: Workload): string {
  return `${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
}
