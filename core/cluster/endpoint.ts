// One address that requests can be sent to, with its pool of connections on this shard. Interned by it, and by how it is spoken to:
// it outlives snapshots, so a change of routes never closes a connection that is still wanted.

import { hostPort } from '../host-port.ts';
import type { Protocol } from '../transport/protocol.ts';
import { type Origin, type ProxyVersion, proxyHeaderOf } from '../transport/proxy-header.ts';
import type { WorkloadEndpoint } from '../workload.ts';
import type { EndpointTls } from './endpoint-tls.ts';
import { Pool, type PoolEnvironment } from './pool.ts';

export class Endpoint {
  /** 'address:port'. */
  readonly key: string;
  readonly address: string;
  readonly port: number;
  /** Null: in plain text. */
  readonly tls: EndpointTls | null;
  /** Told when no cluster leads here any more. */
  onUnused: ((endpoint: Endpoint) => void) | null = null;
  /** Connections of HTTP/1. */
  readonly pool: Pool;
  private readonly pools: Set<Pool>;
  /** Those of HTTP/2, when somebody has asked for one. */
  private h2: Pool | null = null;
  /** Those that carry many requests of HTTP/1, likewise. */
  private multiplexed: Pool | null = null;
  /** Those whose connections are one client's, by what they begin with. As many as there are connections in them or wanted. */
  private clients: Map<string, Pool> | null = null;
  private readonly environment: PoolEnvironment;
  /** Its last answer was of HTTP/1.0, as the next one will be. */
  http10 = false;
  private underWay = 0;
  private begun = 0;
  private faults = 0;
  /** Clusters that lead here, how many of them say that it is `owner`, and how many that it is somebody else. */
  private uses = 0;
  private owner: WorkloadEndpoint | null = null;
  private owned = 0;
  private others: Map<WorkloadEndpoint, number> | null = null;

  constructor(environment: PoolEnvironment, address: string, port: number, tls: EndpointTls | null = null) {
    this.key = hostPort(address, port);
    this.address = address;
    this.port = port;
    this.tls = tls;
    this.environment = environment;
    this.pool = new Pool(environment, this, 'http/1.1');
    this.pools = new Set([this.pool]);
  }

  poolOf(protocol: Protocol): Pool {
    switch (protocol) {
      case 'h2':
        this.h2 ??= this.another(protocol);
        return this.h2;
      case 'weft-multiplexed':
        // Sidecars agree on it in their handshake; in plain text nobody could.
        if (this.tls === null) return this.pool;
        this.multiplexed ??= this.another(protocol);
        return this.multiplexed;
      default:
        return this.pool;
    }
  }

  /** As poolOf, for one client: connections begin with the header that says who he is, and are nobody else's. */
  poolFor(protocol: Protocol, version: ProxyVersion, client: Origin | null): Pool {
    // Another sidecar takes no header in front of requests: it believes nobody's.
    if (this.tls !== null && this.tls.origination === null) return this.poolOf(protocol);
    const header = proxyHeaderOf(version, client);
    const key = protocol === 'h2' ? header.h2 : header.h1;
    this.clients ??= new Map();
    const { clients } = this;
    const known = clients.get(key);
    if (known !== undefined) return known;
    const pool = this.another(protocol === 'h2' ? 'h2' : 'http/1.1', header.bytes);
    clients.set(key, pool);
    pool.onUnused = () => {
      // The client may have another one already.
      if (clients.get(key) === pool) clients.delete(key);
      this.pools.delete(pool);
    };
    return pool;
  }

  private another(protocol: Protocol, header: Buffer | null = null): Pool {
    const pool = new Pool(this.environment, this, protocol, header);
    this.pools.add(pool);
    return pool;
  }

  get connections(): number {
    let sum = 0;
    for (const pool of this.pools) sum += pool.connections;
    return sum;
  }

  /** It left the mesh: see Pool. */
  retire(): void {
    for (const pool of this.pools) pool.retire();
  }

  revive(): void {
    for (const pool of this.pools) pool.revive();
  }

  destroy(): void {
    for (const pool of this.pools) pool.destroy();
  }

  /** Who answers there, when the mesh knows: of several who say so, the first by id. */
  get workload(): WorkloadEndpoint | null {
    return this.owner;
  }

  get used(): boolean {
    return this.uses > 0;
  }

  /** A cluster leads here, since this workload is in it; null: it does not say whose it is. */
  joined(workload: WorkloadEndpoint | null): void {
    if (this.uses++ === 0) {
      this.owner = null;
      this.owned = 0;
    }
    if (workload === null) return;
    if (this.owner === null) this.owner = workload;
    if (this.owner === workload) {
      this.owned++;
      return;
    }
    this.others ??= new Map();
    this.others.set(workload, (this.others.get(workload) ?? 0) + 1);
    if (workload.id < this.owner.id) this.giveTo(workload);
  }

  /** What `joined` said of a cluster is over. Requests that are still here are with whom it was last. */
  parted(workload: WorkloadEndpoint | null): void {
    this.uses--;
    if (this.uses === 0) {
      this.others = null;
      this.onUnused?.(this);
    } else if (workload !== null) this.disowned(workload);
  }

  private disowned(workload: WorkloadEndpoint): void {
    const { others } = this;
    if (workload !== this.owner) {
      const count = (others?.get(workload) ?? 0) - 1;
      if (count > 0) others?.set(workload, count);
      else others?.delete(workload);
      if (others?.size === 0) this.others = null;
      return;
    }
    if (--this.owned > 0) return;
    this.owner = null;
    const [first] = [...(others?.keys() ?? [])].sort((a, b) => (a.id < b.id ? -1 : 1));
    if (first !== undefined) this.giveTo(first);
  }

  private giveTo(workload: WorkloadEndpoint): void {
    const others = this.others!;
    if (this.owner !== null) others.set(this.owner, this.owned);
    this.owner = workload;
    this.owned = others.get(workload) ?? 0;
    others.delete(workload);
    if (others.size === 0) this.others = null;
  }

  /** Requests in flight from this shard: what least-request compares. */
  get active(): number {
    return this.underWay;
  }

  get requests(): number {
    return this.begun;
  }

  /** Requests and connections that failed by its fault. */
  get failures(): number {
    return this.faults;
  }

  /** A request was sent here. */
  entered(): void {
    this.underWay++;
    this.begun++;
  }

  /** A request that was here is over. */
  left(): void {
    this.underWay--;
  }

  hasFailed(): void {
    this.faults++;
  }
}

/** By which it is interned. */
export function placeOf(address: string, port: number, tls: EndpointTls | null): string {
  const key = hostPort(address, port);
  if (tls === null) return key;
  const spoken = `${key} ${tls.serverName} ${tls.identities} ${tls.aliases} ${tls.required}`;
  return tls.origination === null ? spoken : `${spoken} ${JSON.stringify(tls.origination)}`;
}
