// One address that requests can be sent to, with its pool of connections on this shard. Interned by 'address:port':
// it outlives snapshots, so a change of routes never closes a connection that is still wanted.

import type { WorkloadEndpoint } from '../workload.ts';
import { Pool, type PoolEnvironment } from './pool.ts';

export class Endpoint {
  /** 'address:port'. */
  readonly key: string;
  readonly address: string;
  readonly port: number;
  /** Who answers there, when the mesh knows. */
  workload: WorkloadEndpoint | null = null;
  /** Requests in flight from this shard: what least-request compares. */
  active = 0;
  requests = 0;
  failures = 0;
  readonly pool: Pool;

  constructor(environment: PoolEnvironment, address: string, port: number) {
    this.key = endpointKey(address, port);
    this.address = address;
    this.port = port;
    this.pool = new Pool(environment, this);
  }
}

export function endpointKey(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
