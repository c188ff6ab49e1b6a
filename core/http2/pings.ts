// Whether anybody is at the other end of a connection: asked by PING (RFC 9113 6.7) at intervals, and given up when no answer comes.

import type { KeepAlive } from '../http/codec.ts';
import { Timer, type TimerOwner, type Timers } from '../timers.ts';
import { enter, leave } from '../transport/outbox.ts';

export interface PingOwner {
  ask(): void;
  /** Nobody has answered in time. */
  gone(): void;
}

export class Pings implements TimerOwner {
  private readonly timer = new Timer(this);
  private readonly policy: KeepAlive;
  private readonly timers: Timers;
  private readonly owner: PingOwner;
  private waits = false;

  constructor(policy: KeepAlive, timers: Timers, owner: PingOwner) {
    this.policy = policy;
    this.timers = timers;
    this.owner = owner;
    timers.arm(this.timer, policy.intervalMs);
  }

  answered(): void {
    if (!this.waits) return;
    this.waits = false;
    this.timers.arm(this.timer, this.policy.intervalMs);
  }

  stop(): void {
    this.timers.cancel(this.timer);
  }

  expired(): void {
    if (this.waits) {
      this.owner.gone();
      return;
    }
    this.waits = true;
    this.timers.arm(this.timer, this.policy.timeoutMs);
    enter();
    this.owner.ask();
    leave();
  }
}
