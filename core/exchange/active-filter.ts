// One filter's place in one exchange: the FilterStream that the filter is given, and what is held before it in either
// direction. core/exchange/filter-manager.ts moves what it holds.

import type { VerifiedToken } from '../builtins/authn/verified.ts';
import { type Flag, flagBit } from '../errors.ts';
import type { Head } from '../http/head.ts';
import { Timer, type TimerOwner } from '../timers.ts';
import type { BodyBuffer } from './body-buffer.ts';
import type { Direction, FilterStream, HttpFilter, LocalReply } from './filter.ts';
import type { FilterManager } from './filter-manager.ts';
import type { ExchangeRecord } from './record.ts';

/** What of a message has reached a filter that holds it; 'flowing': it holds nothing. */
export type Phase = 'flowing' | 'head' | 'body' | 'trailers';

/** What one filter holds of one direction. */
export class Flow {
  phase: Phase = 'flowing';
  held: BodyBuffer | null = null;
  passing: BodyBuffer | null = null;
  end = false;
  trailers: Head | null = null;
  /** The filter has enough: nothing more is read meanwhile. */
  stalled = false;
}

export class ActiveFilter implements FilterStream, TimerOwner {
  readonly manager: FilterManager;
  readonly index: number;
  filter!: HttpFilter;
  /** Null while nothing was ever held: nearly every message passes as it comes. */
  request: Flow | null = null;
  response: Flow | null = null;
  reply: LocalReply | null = null;
  resumed: Direction | null = null;
  closing = false;
  private timer: Timer | null = null;

  constructor(passage: FilterManager, index: number) {
    this.manager = passage;
    this.index = index;
  }

  get record(): ExchangeRecord {
    return this.manager.exchange;
  }
  get requestHead(): Head {
    return this.manager.exchange.requestHead;
  }
  get responseHead(): Head | null {
    return this.manager.exchange.responseHead;
  }
  get requestTrailers(): Head | null {
    return this.request?.trailers ?? null;
  }
  get responseTrailers(): Head | null {
    return this.response?.trailers ?? null;
  }
  get state(): Map<string, Uint8Array> {
    return this.manager.state;
  }
  get token(): VerifiedToken | null {
    return this.manager.token;
  }
  set token(token: VerifiedToken | null) {
    this.manager.token = token;
  }

  flow(direction: Direction): Flow {
    this[direction] ??= new Flow();
    return this[direction];
  }

  /** What comes goes on to this filter at once. */
  flows(direction: Direction): boolean {
    const flow = this[direction];
    return flow === null || flow.phase === 'flowing';
  }

  body(direction: Direction): BodyBuffer | null {
    const flow = this[direction];
    return flow === null ? null : (flow.passing ?? flow.held);
  }

  resume(direction: Direction): void {
    this.manager.resume(this, direction);
  }

  pass(direction: Direction, bytes: Buffer): void {
    this.manager.pass(this, direction, bytes);
  }

  pauseReading(direction: Direction): void {
    this.manager.stall(this, direction);
  }

  resumeReading(direction: Direction): void {
    this.manager.unstall(this, direction);
  }

  close(_direction: Direction): void {
    this.manager.close(this);
  }

  localReply(reply: LocalReply): void {
    this.manager.reply(this, reply);
  }

  resumeAfter(ms: number): void {
    this.timer ??= new Timer(this);
    this.manager.exchange.shard.timers.arm(this.timer, ms);
  }

  /** The time of resumeAfter has come. */
  expired(): void {
    this.manager.resume(this, 'request');
  }

  clearRouteCache(): void {
    this.manager.exchange.chooseRouteAgain();
  }

  addFlag(flag: Flag): void {
    this.manager.exchange.flags |= flagBit(flag);
  }

  finish(): void {
    if (this.timer !== null) this.manager.exchange.shard.timers.cancel(this.timer);
    this.filter.done();
  }
}
