// In the thread: a copy of one exchange, as the FilterStream of the one filter that sees it here. What the filter does to it
// is kept until the next message to the shard, which does the same to the exchange itself.

import type { VerifiedToken } from '../builtins/authn/verified.ts';
import { type Flag, flagBit } from '../errors.ts';
import { BodyBuffer } from '../exchange/body-buffer.ts';
import type { Direction, FilterStream, HttpFilter, LocalReply, Verdict } from '../exchange/filter.ts';
import type { ExchangeRecord } from '../exchange/record.ts';
import type { Head } from '../http/head.ts';
import { Timer, type TimerOwner, type Timers } from '../timers.ts';
import type { Changes, ToIsolate } from './messages.ts';
import { type Facts, HeadCopy, type LaterFacts, ownBytes, unpackToken } from './packing.ts';

type Of<T extends ToIsolate['type']> = Extract<ToIsolate, { type: T }>;
type Place = 'requestHead' | 'responseHead' | 'requestTrailers' | 'responseTrailers';

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
  private readonly outward: Outward;
  private readonly heads: Record<Place, HeadCopy | null>;
  private readonly bodies: Record<Direction, Spliced | null> = { request: null, response: null };
  /** The direction whose callback runs. */
  private handling: Direction | null = null;
  /** It was asked for within that very callback. */
  private goesOn = false;
  private resumed: Direction[] = [];
  private closing = false;
  private reply: LocalReply | null = null;
  private flags: Flag[] = [];
  private routeCacheCleared = false;
  private over = false;
  private readonly timer = new Timer(this);
  token: VerifiedToken | null;

  constructor(opened: Of<'open'>, outward: Outward) {
    this.number = opened.stream;
    this.outward = outward;
    this.heads = {
      requestHead: new HeadCopy(opened.request),
      responseHead: null,
      requestTrailers: null,
      responseTrailers: null,
    };
    this.record = new RecordCopy(opened.facts, this.heads);
    this.state = new Written(opened.state ?? []);
    this.token = opened.token === null ? null : unpackToken(opened.token);
  }

  get requestHead(): Head {
    return this.heads.requestHead!.head;
  }
  get responseHead(): Head | null {
    return this.heads.responseHead?.head ?? null;
  }
  get requestTrailers(): Head | null {
    return this.heads.requestTrailers?.head ?? null;
  }
  get responseTrailers(): Head | null {
    return this.heads.responseTrailers?.head ?? null;
  }

  body(direction: Direction): BodyBuffer | null {
    return this.bodies[direction];
  }

  /** An event of the exchange. True: the filter holds the message. */
  show(event: Of<'head'> | Of<'body'> | Of<'trailers'>): boolean {
    this.handling = event.direction;
    this.goesOn = false;
    const verdict =
      event.type === 'head' ? this.head(event) : event.type === 'body' ? this.bytes(event) : this.last(event);
    this.handling = null;
    return verdict === 'pause' && !this.goesOn;
  }

  private head(event: Of<'head'>): Verdict {
    this.learn(event.facts);
    for (const [name, value] of event.state ?? []) this.state.learn(name, value);
    if (event.request !== null) this.heads.requestHead = new HeadCopy(event.request);
    const { direction, end, head } = event;
    if (direction === 'request') return this.filter.head('request', this.requestHead, end);
    if (head !== null) this.heads.responseHead = new HeadCopy(head);
    return this.filter.head('response', this.responseHead!, end);
  }

  private bytes({ direction, bytes, end }: Of<'body'>): Verdict {
    const body = this.bodies[direction] ?? new Spliced();
    body.append(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length));
    this.bodies[direction] = body;
    return this.filter.body(direction, body, end);
  }

  private last({ direction, trailers, facts }: Of<'trailers'>): Verdict {
    this.learn(facts);
    const copy = new HeadCopy(trailers);
    if (direction === 'request') {
      this.heads.requestTrailers = copy;
      return this.filter.trailers('request', copy.head);
    }
    this.heads.responseTrailers = copy;
    return this.filter.trailers('response', copy.head);
  }

  done(facts: LaterFacts): void {
    this.learn(facts);
    this.gone();
  }

  /** Nobody is there any more to tell how it ended. */
  gone(): void {
    this.outward.timers.cancel(this.timer);
    this.over = true;
    this.filter.done();
  }

  /** What the filter did since the last call. `passing`: the direction whose message it has just let go. */
  changes(passing: Direction | null = null): Changes | null {
    const { heads, resumed } = this;
    const goes = (direction: Direction): boolean => passing === direction || resumed.includes(direction);
    const changes: Changes = {
      requestHead: heads.requestHead!.changes(),
      responseHead: heads.responseHead?.changes() ?? null,
      requestTrailers: heads.requestTrailers?.changes() ?? null,
      responseTrailers: heads.responseTrailers?.changes() ?? null,
      requestBody: goes('request') ? this.letGo('request') : null,
      responseBody: goes('response') ? this.letGo('response') : null,
      resume: resumed,
      close: this.closing,
      reply: this.reply,
      flags: this.flags,
      clearRouteCache: this.routeCacheCleared,
      state: this.state.written(),
    };
    if (isNothing(changes)) return null;
    this.resumed = [];
    this.flags = [];
    this.reply = null;
    this.closing = false;
    this.routeCacheCleared = false;
    return changes;
  }

  private letGo(direction: Direction): Uint8Array | null {
    const body = this.bodies[direction];
    this.bodies[direction] = null;
    return body?.changed === true ? ownBytes(body.take()) : null;
  }

  private learn(facts: LaterFacts | null): void {
    if (facts !== null) Object.assign(this.record, facts);
  }

  private ask(): void {
    if (this.handling === null && !this.over) this.outward.asked(this);
  }

  // What the filter asks for.

  resume(direction: Direction): void {
    if (this.handling === direction) this.goesOn = true;
    else this.resumed.push(direction);
    this.ask();
  }

  close(): void {
    this.closing = true;
    this.ask();
  }

  localReply(reply: LocalReply): void {
    const { body } = reply;
    this.reply = { ...reply, body: typeof body === 'string' ? body : ownBytes(body) };
    this.ask();
  }

  resumeAfter(ms: number): void {
    this.outward.timers.arm(this.timer, ms);
  }

  /** The time of resumeAfter has come. */
  expired(): void {
    this.resume('request');
  }

  clearRouteCache(): void {
    this.routeCacheCleared = true;
    this.ask();
  }

  addFlag(flag: Flag): void {
    this.flags.push(flag);
    this.record.flags |= flagBit(flag);
    this.ask();
  }

  // A chain's affairs: the filter that would use these is the one in the shard.
  pass(): void {}
  pauseReading(): void {}
  resumeReading(): void {}
}

function isNothing(changes: Changes): boolean {
  return (
    changes.requestHead === null &&
    changes.responseHead === null &&
    changes.requestTrailers === null &&
    changes.responseTrailers === null &&
    changes.requestBody === null &&
    changes.responseBody === null &&
    changes.resume.length === 0 &&
    !changes.close &&
    changes.reply === null &&
    changes.flags.length === 0 &&
    !changes.clearRouteCache &&
    changes.state === null
  );
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

  constructor(known: readonly (readonly [string, Uint8Array])[]) {
    super();
    for (const [name, value] of known) this.learn(name, value);
  }

  learn(name: string, value: Uint8Array): void {
    super.set(name, value);
  }

  override set(name: string, value: Uint8Array): this {
    this.fresh ??= new Map();
    this.fresh.set(name, ownBytes(value));
    return super.set(name, value);
  }

  written(): Changes['state'] {
    if (this.fresh === null) return null;
    const state = [...this.fresh];
    this.fresh = null;
    return state;
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The record as the shard last told of it, with the heads as they are here. */
class RecordCopy implements ExchangeRecord {
  declare readonly direction: Facts['direction'];
  declare readonly connection: Facts['connection'];
  declare readonly protocol: string;
  declare readonly startTime: number;
  declare readonly originalPath: string | null;
  declare readonly requestId: string;
  declare readonly source: Facts['source'];
  declare readonly sourcePrincipal: string;
  declare readonly requestEndMs: number;
  declare readonly responseStartMs: number;
  declare readonly durationMs: number;
  declare readonly upstreamServiceMs: number;
  declare readonly bytesReceived: number;
  declare readonly bytesSent: number;
  declare readonly responseCode: number;
  declare readonly responseCodeDetails: string;
  declare flags: number;
  declare readonly routeName: string;
  declare readonly clusterName: string;
  declare readonly upstreamHost: string;
  declare readonly upstreamLocalAddress: string;
  declare readonly upstreamTransportFailure: string;
  declare readonly attempts: number;
  declare readonly destination: Facts['destination'];
  declare readonly destinationService: string;
  declare readonly destinationPort: number;
  private readonly heads: Readonly<Record<Place, HeadCopy | null>>;

  constructor(facts: Facts, heads: Readonly<Record<Place, HeadCopy | null>>) {
    this.heads = heads;
    Object.assign(this as Mutable<Facts>, facts);
  }

  get requestHead(): Head | null {
    return this.heads.requestHead?.head ?? null;
  }
  get responseHead(): Head | null {
    return this.heads.responseHead?.head ?? null;
  }
  get responseTrailers(): Head | null {
    return this.heads.responseTrailers?.head ?? null;
  }
}
