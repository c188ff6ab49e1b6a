// In the thread: a copy of one exchange, as the FilterStream of the one filter that sees it here. What the filter does to it
// is kept until the next message to the shard, which does the same to the exchange itself.

import type { VerifiedToken } from '../builtins/authn/verified.ts';
import { type Flag, flagBit } from '../errors.ts';
import { BodyBuffer } from '../exchange/body-buffer.ts';
import type { Direction, FilterStream, HttpFilter, LocalReply, Verdict } from '../exchange/filter.ts';
import type { Head } from '../http/head.ts';
import { Timer, type TimerOwner, type Timers } from '../timers.ts';
import type {
  BodyEvent,
  Changes,
  HeadEvent,
  MessageChanges,
  Opening,
  Properties,
  StreamEvent,
  TrailersEvent,
} from './messages.ts';
import {
  bufferOf,
  HeadCopy,
  type LaterFacts,
  learnFacts,
  ownBytes,
  type RecordCopy,
  unpackRecord,
  unpackToken,
} from './packing.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Where its exchanges' effects go. */
export interface Outward {
  readonly timers: Timers;
  /** Something was asked for between callbacks. */
  asked(exchange: ExchangeCopy): void;
}

export class ExchangeCopy implements FilterStream, TimerOwner {
  readonly number: number;
  readonly record: RecordCopy;
  readonly state: Written;
  filter!: HttpFilter;
  token: VerifiedToken | null;
  private readonly outward: Outward;
  private readonly request = new MessageCopy();
  private readonly response = new MessageCopy();
  /** The direction whose callback runs. */
  private handling: Direction | null = null;
  /** It was asked for within that very callback. */
  private goesOn = false;
  private wishes: Mutable<Changes> = {};
  private over = false;
  private readonly timer = new Timer(this);

  constructor(number: number, { facts, request, state, token }: Opening, outward: Outward) {
    this.number = number;
    this.outward = outward;
    const head = new HeadCopy(request);
    this.request.head = head;
    this.record = unpackRecord(facts, head.head);
    this.state = new Written(state);
    this.token = token === null ? null : unpackToken(token);
  }

  get requestHead(): Head {
    return this.request.head!.head;
  }
  get responseHead(): Head | null {
    return this.record.responseHead;
  }
  get requestTrailers(): Head | null {
    return this.request.trailers?.head ?? null;
  }
  get responseTrailers(): Head | null {
    return this.record.responseTrailers;
  }

  /** It is for the filters of the shard. */
  gather(): void {
    throw new Error('a filter on a thread of its own gathers no body');
  }

  body(direction: Direction): BodyBuffer | null {
    return this[direction].body;
  }

  /** An event of the exchange. True: the filter holds the message. */
  show(event: StreamEvent): boolean {
    this.handling = event.direction;
    this.goesOn = false;
    const verdict =
      event.type === 'head' ? this.head(event) : event.type === 'body' ? this.bytes(event) : this.last(event);
    this.handling = null;
    return verdict === 'pause' && !this.goesOn;
  }

  private head({ end, response }: HeadEvent): Verdict {
    if (response === null) return this.filter.head('request', this.requestHead, end);
    const { head, request, facts, state } = response;
    learnFacts(this.record, facts);
    this.state.learn(state);
    if (request !== null) {
      this.request.head = new HeadCopy(request);
      this.record.requestHead = this.requestHead;
    }
    const copy = new HeadCopy(head);
    this.response.head = copy;
    this.record.responseHead = copy.head;
    return this.filter.head('response', copy.head, end);
  }

  private bytes({ bytes, end }: BodyEvent): Verdict {
    const direction = this.handling!;
    const message = this[direction];
    message.body ??= new Spliced();
    const { body } = message;
    body.append(bufferOf(bytes));
    return this.filter.body(direction, body, end);
  }

  private last({ trailers, facts }: TrailersEvent): Verdict {
    learnFacts(this.record, facts);
    const copy = new HeadCopy(trailers);
    const direction = this.handling!;
    this[direction].trailers = copy;
    if (direction === 'response') this.record.responseTrailers = copy.head;
    return this.filter.trailers(direction, copy.head);
  }

  done(facts: LaterFacts | null): void {
    if (facts !== null) learnFacts(this.record, facts);
    this.gone();
  }

  /** Nobody is there any more to tell how it ended. */
  gone(): void {
    this.outward.timers.cancel(this.timer);
    this.over = true;
    this.filter.done();
  }

  /** What the filter did since the last call. `passing`: the direction whose message it has just let go. */
  changes(passing: Direction | null): Changes | null {
    const changes = this.wishes;
    this.wishes = {};
    const request = this.request.changes(passing === 'request');
    const response = this.response.changes(passing === 'response');
    const state = this.state.written();
    if (request !== null) changes.request = request;
    if (response !== null) changes.response = response;
    if (state !== null) changes.state = state;
    return orNothing(changes);
  }

  // What the filter asks for.

  resume(direction: Direction): void {
    if (this.handling === direction) this.goesOn = true;
    else this[direction].resumed = true;
    this.ask({});
  }

  endStream(direction: Direction): void {
    this[direction].ends = true;
    this.ask({});
  }

  close(): void {
    this.ask({ close: true });
  }

  localReply(reply: LocalReply): void {
    const { body } = reply;
    this.ask({ reply: { ...reply, body: typeof body === 'string' ? body : ownBytes(body) } });
  }

  resumeAfter(ms: number): void {
    this.outward.timers.arm(this.timer, ms);
  }

  /** The time of resumeAfter has come. */
  expired(): void {
    this.resume('request');
  }

  clearRouteCache(): void {
    this.ask({ clearRouteCache: true });
  }

  addFlag(flag: Flag): void {
    this.record.flags |= flagBit(flag);
    this.ask({ flags: [...(this.wishes.flags ?? []), flag] });
  }

  private ask(wish: Changes): void {
    Object.assign(this.wishes, wish);
    if (this.handling === null && !this.over) this.outward.asked(this);
  }

  // A chain's affairs: the filter that would use these is the one in the shard.
  pass(): void {}
  pauseReading(): void {}
  resumeReading(): void {}
}

function orNothing<T extends object>(changes: T): T | null {
  return Object.keys(changes).length === 0 ? null : changes;
}

/** What is there of one direction. */
class MessageCopy {
  head: HeadCopy | null = null;
  trailers: HeadCopy | null = null;
  body: Spliced | null = null;
  ends = false;
  /** The filter lets go what it holds. */
  resumed = false;

  changes(passes: boolean): MessageChanges | null {
    const { head, trailers, body, resumed } = this;
    const changes: Mutable<MessageChanges> = {};
    const headChanges = head?.changes();
    const trailersChanges = trailers?.changes();
    if (headChanges != null) changes.head = headChanges;
    if (trailersChanges != null) changes.trailers = trailersChanges;
    if (this.ends) changes.ends = true;
    this.ends = false;
    if (resumed) changes.resume = true;
    this.resumed = false;
    if (body !== null && (resumed || passes)) {
      if (body.changed) changes.body = body.copy(0);
      this.body = null;
    }
    return orNothing(changes);
  }
}

/** A body that knows whether it is still what came. */
class Spliced extends BodyBuffer {
  changed = false;

  override splice(start: number, remove: number, data: Uint8Array): void {
    this.changed = true;
    super.splice(start, remove, data);
  }
}

/** The exchange's properties, with those that were set here and that the shard has not heard of. */
class Written extends Map<string, Uint8Array> {
  private fresh: Map<string, Uint8Array> | null = null;

  constructor(known: Properties | null) {
    super();
    this.learn(known);
  }

  learn(known: Properties | null): void {
    for (const [name, value] of known ?? []) super.set(name, value);
  }

  override set(name: string, value: Uint8Array): this {
    this.fresh ??= new Map();
    this.fresh.set(name, ownBytes(value));
    return super.set(name, value);
  }

  written(): Properties | null {
    const { fresh } = this;
    this.fresh = null;
    return fresh === null ? null : [...fresh];
  }
}
