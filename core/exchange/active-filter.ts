// One filter's place in one exchange: the FilterStream that the filter is given, and what is held before it in either
// direction. core/exchange/filter-manager.ts moves what it holds.

import type { VerifiedToken } from '../builtins/authn/verified.ts';
import { type Flag, flagBit } from '../errors.ts';
import type { Head } from '../http/head.ts';
import { Timer, type TimerOwner, type Timers } from '../timers.ts';
import type { BodyBuffer } from './body-buffer.ts';
import type { Direction, FilterStream, HttpFilter, LocalReply } from './filter.ts';
import type { ExchangeRecord } from './record.ts';

/** What of a message has reached a filter that holds it; 'flowing': it holds nothing; 'ended': nothing passes it any more. */
export type Phase = 'flowing' | 'head' | 'body' | 'trailers' | 'ended';

/** What one filter holds of one direction. */
export class Flow {
  phase: Phase = 'flowing';
  held: BodyBuffer | null = null;
  passing: BodyBuffer | null = null;
  end = false;
  trailers: Head | null = null;
  /** The filter ends the message with its head. */
  ends = false;
  /** The filter has enough: nothing more is read meanwhile. */
  stalled = false;
  /** The filter waits for a body behind the head that it holds. */
  gathering: Gathering | null = null;
  /** Bytes that may be held. */
  most = MAX_HELD_BYTES;

  /** So much is here as is waited for, or all that there is. True once. */
  gathered(): boolean {
    const { gathering, held } = this;
    if (gathering === null || (!this.end && this.trailers === null && (held?.length ?? 0) < gathering.most))
      return false;
    this.gathering = null;
    // What is on its way already is held, too.
    this.most = gathering.most + MAX_HELD_BYTES;
    return true;
  }
}

interface Gathering {
  readonly most: number;
  readonly gathered: () => void;
}

/** As Envoy's default per-connection buffer limit. */
const MAX_HELD_BYTES = 1 << 20;

/** What a filter's place asks of the filter manager. What is asked during a callback takes effect after it. */
export interface FilterOwner {
  readonly exchange: ExchangeRecord & {
    readonly requestHead: Head;
    flags: number;
    readonly shard: { readonly timers: Timers };
    routeStale: boolean;
  };
  readonly state: Map<string, Uint8Array>;
  token: VerifiedToken | null;
  resume(filter: ActiveFilter, direction: Direction): void;
  pass(filter: ActiveFilter, direction: Direction, bytes: Buffer): void;
  stall(filter: ActiveFilter, direction: Direction): void;
  unstall(filter: ActiveFilter, direction: Direction): void;
  close(filter: ActiveFilter): void;
  reply(filter: ActiveFilter, reply: LocalReply): void;
}

export class ActiveFilter implements FilterStream, TimerOwner {
  readonly owner: FilterOwner;
  readonly index: number;
  filter!: HttpFilter;
  /** Null while nothing was ever held: nearly every message passes as it comes. */
  request: Flow | null = null;
  response: Flow | null = null;
  reply: LocalReply | null = null;
  resumed: Direction | null = null;
  closing = false;
  private timer: Timer | null = null;

  constructor(owner: FilterOwner, index: number) {
    this.owner = owner;
    this.index = index;
  }

  get record(): ExchangeRecord {
    return this.owner.exchange;
  }
  get requestHead(): Head {
    return this.owner.exchange.requestHead;
  }
  get responseHead(): Head | null {
    return this.owner.exchange.responseHead;
  }
  get requestTrailers(): Head | null {
    return this.request?.trailers ?? null;
  }
  get responseTrailers(): Head | null {
    return this.response?.trailers ?? null;
  }
  get state(): Map<string, Uint8Array> {
    return this.owner.state;
  }
  get token(): VerifiedToken | null {
    return this.owner.token;
  }
  set token(token: VerifiedToken | null) {
    this.owner.token = token;
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
    this.owner.resume(this, direction);
  }

  gather(most: number, gathered: () => void): void {
    this.flow('request').gathering = { most, gathered };
  }

  pass(direction: Direction, bytes: Buffer): void {
    this.owner.pass(this, direction, bytes);
  }

  pauseReading(direction: Direction): void {
    this.owner.stall(this, direction);
  }

  resumeReading(direction: Direction): void {
    this.owner.unstall(this, direction);
  }

  endStream(direction: Direction): void {
    this.flow(direction).ends = true;
  }

  close(_direction: Direction): void {
    this.owner.close(this);
  }

  localReply(reply: LocalReply): void {
    this.owner.reply(this, reply);
  }

  resumeAfter(ms: number): void {
    this.timer ??= new Timer(this);
    this.owner.exchange.shard.timers.arm(this.timer, ms);
  }

  /** The time of resumeAfter has come. */
  expired(): void {
    this.owner.resume(this, 'request');
  }

  clearRouteCache(): void {
    this.owner.exchange.routeStale = true;
  }

  addFlag(flag: Flag): void {
    this.owner.exchange.flags |= flagBit(flag);
  }

  finish(): void {
    if (this.timer !== null) this.owner.exchange.shard.timers.cancel(this.timer);
    this.filter.done();
  }
}

/** Whose turn it is after this filter. */
export function next({ index }: ActiveFilter, direction: Direction): number {
  return direction === 'request' ? index + 1 : index - 1;
}

/** True: nothing follows this head, which passes a filter that may have said so. */
export function endsAt(flow: Flow | null, head: Head, end: boolean): boolean {
  if (end || flow === null || !flow.ends) return end;
  flow.phase = 'ended';
  head.contentLength = 0;
  return true;
}
