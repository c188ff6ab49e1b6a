// One address that requests can be sent to, with its pool of connections on this shard. Interned by 'address:port':
// it outlives snapshots, so a change of routes never closes a connection that is still wanted.

import { hostPort } from '../host-port.ts';
import type { WorkloadEndpoint } from '../workload.ts';
import { Pool, type PoolEnvironment } from './pool.ts';

export class Endpoint {
  /** 'address:port'. */
  readonly key: string;
  readonly address: string;
  readonly port: number;
  /** Who answers there, when the mesh knows. */
  workload: WorkloadEndpoint | null = null;
  readonly pool: Pool;
  /** Its last answer was of HTTP/1.0, as the next one will be. */
  http10 = false;
  private underWay = 0;
  private begun = 0;
  private faults = 0;

  constructor(environment: PoolEnvironment, address: string, port: number) {
    this.key = hostPort(address, port);
    this.address = address;
    this.port = port;
    this.pool = new Pool(environment, this);
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
