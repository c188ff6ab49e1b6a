// The endpoints of one shard, one object an address and port, so that whatever leads to it shares its connections. Those
// that nothing leads to any more are retired: after a change of configuration, and by and by those that DNS named once.

import { hostPort } from '../host-port.ts';
import { Timer, type TimerOwner } from '../timers.ts';
import { Endpoint } from './endpoint.ts';
import type { PoolEnvironment } from './pool.ts';

const SWEEP_MS = 60_000;
/** Above twice as many as were in use at the last sweep, and these, the next one does not wait. */
const SPARE = 1024;

export class EndpointTable implements TimerOwner {
  private readonly endpoints = new Map<string, Endpoint>();
  private readonly environment: PoolEnvironment;
  private readonly inUse: () => Iterable<Endpoint>;
  private crowded = SPARE;
  private readonly timer = new Timer(this);

  /** `inUse`: every endpoint that a request may be sent to now. */
  constructor(environment: PoolEnvironment, inUse: () => Iterable<Endpoint>) {
    this.environment = environment;
    this.inUse = inUse;
    environment.timers.arm(this.timer, SWEEP_MS);
  }

  get size(): number {
    return this.endpoints.size;
  }

  /** The endpoint of this address and port. */
  at(address: string, port: number): Endpoint {
    const key = hostPort(address, port);
    let endpoint = this.endpoints.get(key);
    if (endpoint === undefined) {
      endpoint = new Endpoint(this.environment, address, port);
      this.endpoints.set(key, endpoint);
      // On the next tick: who asks may be in the middle of putting it to use.
      if (this.endpoints.size === this.crowded) this.environment.timers.arm(this.timer, 0);
    }
    endpoint.pool.revive();
    return endpoint;
  }

  /** Endpoints that nothing leads to give their connections back, and are forgotten once no request is with them. */
  sweep(): void {
    const used = new Set(this.inUse());
    for (const [key, endpoint] of this.endpoints) {
      if (used.has(endpoint)) continue;
      endpoint.pool.retire();
      if (endpoint.active === 0) this.endpoints.delete(key);
    }
    this.crowded = 2 * this.endpoints.size + SPARE;
  }

  expired(): void {
    this.sweep();
    this.environment.timers.arm(this.timer, SWEEP_MS);
  }

  destroy(): void {
    for (const endpoint of this.endpoints.values()) endpoint.pool.destroy();
  }
}
