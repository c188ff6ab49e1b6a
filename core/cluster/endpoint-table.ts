// The endpoints of one shard, one object an address and port, so that whatever leads to it shares its connections. Those
// that nothing leads to any more are retired: after a change of configuration, and by and by those that DNS named once.

import { Timer, type TimerOwner } from '../timers.ts';
import { Endpoint, placeOf } from './endpoint.ts';
import type { EndpointTls } from './endpoint-tls.ts';
import type { PoolEnvironment } from './pool.ts';

const SWEEP_MS = 60_000;
/** Above twice as many as were in use at the last sweep, and these, the next one does not wait. */
const SPARE = 1024;

export class EndpointTable implements TimerOwner {
  private readonly endpoints = new Map<string, Endpoint>();
  private readonly environment: PoolEnvironment;
  /** Those that no cluster leads to, or did not when they were last looked at. */
  private readonly unused = new Set<Endpoint>();
  private crowded = SPARE;
  private readonly timer = new Timer(this);

  constructor(environment: PoolEnvironment) {
    this.environment = environment;
    environment.timers.arm(this.timer, SWEEP_MS);
  }

  get size(): number {
    return this.endpoints.size;
  }

  /** The endpoint of this address and port, as it is spoken to: in TLS by this name, or in plain text. */
  at(address: string, port: number, tls: EndpointTls | null = null): Endpoint {
    const key = placeOf(address, port, tls);
    let endpoint = this.endpoints.get(key);
    if (endpoint === undefined) {
      endpoint = new Endpoint(this.environment, address, port, tls);
      this.endpoints.set(key, endpoint);
      endpoint.onUnused = (one) => this.unused.add(one);
      this.unused.add(endpoint);
      // On the next tick: who asks may be in the middle of putting it to use.
      if (this.endpoints.size === this.crowded) this.environment.timers.arm(this.timer, 0);
    }
    endpoint.revive();
    return endpoint;
  }

  /** Endpoints that nothing leads to give their connections back, and are forgotten once no request is with them. */
  sweep(): void {
    for (const endpoint of this.unused) {
      if (endpoint.used) {
        this.unused.delete(endpoint);
        continue;
      }
      endpoint.retire();
      if (endpoint.active > 0) continue;
      this.unused.delete(endpoint);
      this.endpoints.delete(placeOf(endpoint.address, endpoint.port, endpoint.tls));
    }
    this.crowded = 2 * this.endpoints.size + SPARE;
  }

  expired(): void {
    this.sweep();
    this.environment.timers.arm(this.timer, SWEEP_MS);
  }

  destroy(): void {
    for (const endpoint of this.endpoints.values()) endpoint.destroy();
  }
}
