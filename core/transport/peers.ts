// Who is at the other end of a connection. In plain text on one machine that is the workload whose own loopback address it
// comes from, and nothing that a header says. Whose an address is may be learned while its connections live.

import type { Workload, WorkloadEndpoint } from '../workload.ts';
import type { Peer, PeerTable } from './transport.ts';

export class Peers implements PeerTable, PeerSource {
  /** Grows with every change of who has which address. */
  version = 0;
  private readonly workloads = new Map<string, Workload>();

  /** All workloads that are registered now. */
  learn(endpoints: Iterable<WorkloadEndpoint>): void {
    this.workloads.clear();
    for (const endpoint of endpoints) {
      if (isOwnAddress(endpoint.address)) this.workloads.set(endpoint.address, endpoint);
    }
    this.version++;
  }

  find(address: string): Workload | null {
    return this.workloads.get(address) ?? null;
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

/** A loopback address that only one workload has, and not the one that everybody shares. */
export function isOwnAddress(address: string): boolean {
  return address.startsWith('127.') && address !== '127.0.0.1';
}
