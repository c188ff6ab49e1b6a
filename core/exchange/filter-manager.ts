// Takes an exchange through its filters: in order on the way in, and back in reverse through those it entered.
// A filter that pauses holds its direction there; what arrives meanwhile waits before it, within a limit.
// An exchange without filters has no filter manager.

import type { VerifiedToken } from '../builtins/authn/verified.ts';
import type { FailureCode } from '../errors.ts';
import type { Head } from '../http/head.ts';
import type { Claims } from '../router/claims.ts';
import type { Route } from '../router/route.ts';
import type { Timers } from '../timers.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import { ActiveFilter, endsAt, type FilterOwner, next } from './active-filter.ts';
import { BodyBuffer } from './body-buffer.ts';
import type { Direction, LocalReply, Verdict } from './filter.ts';
import { FilterChain } from './filter-chain.ts';
import type { LocalResponse } from './local-reply.ts';
import { BY_FILTERS, type ReadDisable } from './read-disable.ts';
import type { ExchangeRecord } from './record.ts';
import { type Waiting, welcomeBody } from './welcome.ts';

/** What the filter manager asks of the exchange whose filters it looks after. */
export interface FilterManagerCallbacks extends ExchangeRecord, Waiting {
  readonly requestHead: Head;
  flags: number;
  /** Of the verified token. */
  claims: Claims | null;
  readonly host: { readonly unrouted: Route | null } | null;
  readonly route: { readonly chain: FilterChain } | null;
  readonly shard: { readonly timers: Timers };
  /** The request has passed all filters. */
  forward(end: boolean): void;
  forwardData(chunk: Buffer, end: boolean): void;
  forwardTrailers(trailers: Head): void;
  /** The response has passed all filters that the request entered. */
  sendHead(head: Head, end: boolean): void;
  sendData(chunk: Buffer, end: boolean): void;
  sendTrailers(trailers: Head): void;
  pauseRequest(by: ReadDisable): void;
  resumeRequest(by: ReadDisable): void;
  pauseResponse(by: ReadDisable): void;
  resumeResponse(by: ReadDisable): void;
  /** A filter answers, and no response is on its way back yet. */
  reply(reply: LocalReply): void;
  /** A filter answers in place of the response that it sees; null: too late, and the exchange was cut off. */
  replaceResponse(reply: LocalReply): LocalResponse | null;
  fail(reason: FailureCode): void;
  cut(): void;
  /** A filter changed what routes match on: one is chosen again when the request has passed its filters. */
  routeStale: boolean;
  chooseRouteAgain(): void;
}

export class FilterManager implements FilterOwner {
  readonly exchange: FilterManagerCallbacks;
  private verified: VerifiedToken | null = null;
  private tokenIsNew = false;
  private chain: FilterChain;
  private readonly entered: ActiveFilter[] = [];
  private shared: Map<string, Uint8Array> | null = null;
  /** Above 0 while a filter's callback runs: what it asks for takes effect afterwards. */
  private depth = 0;
  /** Answers that filters gave: what went before one has no end to come. */
  private replies = 0;
  /** An answer is on its way back through the filters. */
  answered = false;
  private ended = false;

  constructor(exchange: FilterManagerCallbacks, chain: FilterChain) {
    this.exchange = exchange;
    this.chain = chain;
  }

  get token(): VerifiedToken | null {
    return this.verified;
  }
  set token(token: VerifiedToken | null) {
    this.tokenIsNew = token !== this.verified;
    this.verified = token;
    this.exchange.claims = token;
  }

  /** What filters leave for those after them; few do. */
  get state(): Map<string, Uint8Array> {
    this.shared ??= new Map();
    return this.shared;
  }

  /**
   * The exchange's head of this direction comes to the first filter. Ends in the exchange's `forward` or `sendHead`, a pause
   * or a local reply.
   */
  head(direction: Direction, end: boolean): void {
    if (direction === 'request') {
      this.requestHeadFrom(0, end);
      return;
    }
    this.answered = true;
    if (this.chain.wants.response.head) this.responseHeadFrom(this.entered.length - 1, end);
    else this.exchange.sendHead(this.exchange.responseHead!, end);
  }

  body(direction: Direction, chunk: Buffer, end: boolean): void {
    if (this.nobodyWants(direction)) {
      if (direction === 'request') this.exchange.forwardData(chunk, end);
      else this.exchange.sendData(chunk, end);
      return;
    }
    this.bodyFrom(direction, this.first(direction), BodyBuffer.of(chunk), end);
  }

  trailers(direction: Direction, trailers: Head): void {
    this.trailersFrom(direction, this.first(direction), trailers);
  }

  private first(direction: Direction): number {
    return direction === 'request' ? 0 : this.entered.length - 1;
  }

  /** The exchange has ended: every entered filter hears it once, first in, last out. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    for (let i = this.entered.length - 1; i >= 0; i--) this.entered[i].finish();
  }

  private requestHeadFrom(index: number, end: boolean): void {
    const { exchange } = this;
    let chain = this.chainByClaims();
    for (let i = index; i < chain.filters.length; i++) {
      const factory = chain.filters[i];
      const active = new ActiveFilter(this, i);
      this.entered.push(active);
      active.filter = factory.open(active, chain.configurations[i]);
      if (!factory.wants.request.head) continue;
      this.depth++;
      const verdict = this.settle(active, 'request', active.filter.head('request', exchange.requestHead, end));
      if (verdict === 'stop') return;
      if (verdict === 'pause') {
        const flow = active.flow('request');
        flow.phase = 'head';
        flow.end = end;
        // Which its client may be holding back.
        if (factory.wants.request.body || flow.gathering !== null) welcomeBody(exchange);
        if (flow.gathering === null) exchange.pauseRequest(BY_FILTERS);
        return;
      }
      end = endsAt(active.request, exchange.requestHead, end);
      chain = this.chainByClaims();
    }
    if (chain.wants.request.body) welcomeBody(exchange);
    exchange.forward(end);
  }

  /** A token that was just verified may lead to another route: what follows the filter that did it is that route's chain. */
  private chainByClaims(): FilterChain {
    if (!this.tokenIsNew) return this.chain;
    this.tokenIsNew = false;
    const { exchange } = this;
    if (exchange.host === null || exchange.host.unrouted === null) return this.chain;
    exchange.chooseRouteAgain();
    const { chain } = exchange.route!;
    const entered = this.entered.length;
    const next = chain.filters.indexOf(this.chain.filters[entered - 1]) + 1;
    if (next === 0 || chain === this.chain) return this.chain;
    this.chain = new FilterChain(
      [...this.chain.filters.slice(0, entered), ...chain.filters.slice(next)],
      [...this.chain.configurations.slice(0, entered), ...chain.configurations.slice(next)],
    );
    return this.chain;
  }

  private responseHeadFrom(index: number, end: boolean): void {
    const head = this.exchange.responseHead!;
    for (let i = index; i >= 0; i--) {
      const active = this.entered[i];
      if (!this.chain.filters[active.index].wants.response.head) continue;
      this.depth++;
      const verdict = this.settle(active, 'response', active.filter.head('response', head, end));
      if (verdict === 'stop') return;
      if (verdict === 'pause') {
        const flow = active.flow('response');
        flow.phase = 'head';
        flow.end = end;
        this.exchange.pauseResponse(BY_FILTERS);
        return;
      }
      end = endsAt(active.response, head, end);
    }
    this.exchange.sendHead(head, end);
  }

  /** No filter looks at this direction's body, and none holds what comes before or with it. */
  private nobodyWants(direction: Direction): boolean {
    if (this.chain.wants[direction].body) return false;
    for (const active of this.entered) if (!active.flows(direction)) return false;
    return true;
  }

  /** Body bytes that have passed the filters before `index` go on, up to a pause or out. */
  private bodyFrom(direction: Direction, index: number, body: BodyBuffer, end: boolean): void {
    const request = direction === 'request';
    const step = request ? 1 : -1;
    for (let i = index; request ? i < this.entered.length : i >= 0; i += step) {
      const active = this.entered[i];
      const flow = active.flow(direction);
      if (flow.phase !== 'flowing') {
        if (flow.phase === 'ended' || !this.hold(active, direction, body, end)) return;
        if (flow.phase === 'head') return;
        body = flow.held!;
        end = flow.end;
      }
      const { wants } = this.chain.filters[active.index];
      if (!(request ? wants.request : wants.response).body) continue;
      flow.passing = body;
      this.depth++;
      const verdict = this.settle(active, direction, active.filter.body(direction, body, end));
      flow.passing = null;
      if (verdict === 'stop') return;
      if (verdict === 'pause') {
        flow.phase = 'body';
        flow.held = body;
        flow.end = end;
        this.hold(active, direction, new BodyBuffer(), end);
        return;
      }
      flow.phase = 'flowing';
      flow.held = null;
    }
    if (request) this.exchange.forwardData(body.take(), end);
    else this.exchange.sendData(body.take(), end);
  }

  private trailersFrom(direction: Direction, index: number, trailers: Head): void {
    const request = direction === 'request';
    const step = request ? 1 : -1;
    for (let i = index; request ? i < this.entered.length : i >= 0; i += step) {
      const active = this.entered[i];
      const flow = active.flow(direction);
      flow.trailers = trailers;
      this.tellGathered(active);
      if (flow.phase !== 'flowing' && flow.phase !== 'body') return;
      this.depth++;
      const verdict = this.settle(active, direction, active.filter.trailers(direction, trailers));
      if (verdict === 'stop') return;
      if (verdict === 'pause') {
        flow.phase = 'trailers';
        return;
      }
      // Who lets the trailers pass lets go what it held of the body, as in Envoy: nothing else would ever come to say so.
      if (flow.phase === 'body' && !this.letBodyGo(active, direction)) return;
    }
    if (request) this.exchange.forwardTrailers(trailers);
    else this.exchange.sendTrailers(trailers);
  }

  /** What a filter held of a body goes on. False: nothing may follow it. */
  private letBodyGo(active: ActiveFilter, direction: Direction): boolean {
    const flow = active.flow(direction);
    const [held, replies] = [flow.held!, this.replies];
    flow.phase = 'flowing';
    flow.held = null;
    if (held.length > 0) this.bodyFrom(direction, next(active, direction), held, false);
    this.readOn(direction);
    return !this.ended && this.replies === replies;
  }

  /** Keeps bytes at a paused filter. False: over the limit, and the exchange was answered. */
  private hold(active: ActiveFilter, direction: Direction, body: BodyBuffer, end: boolean): boolean {
    const flow = active.flow(direction);
    retainBytes();
    flow.held ??= new BodyBuffer();
    if (body.length > 0 && body !== flow.held) flow.held.append(body.take());
    flow.end ||= end;
    this.tellGathered(active);
    if (flow.held === null || flow.held.length <= flow.most) return flow.held !== null;
    this.exchange.fail(direction === 'request' ? 'payload_too_large' : 'response_too_large');
    return false;
  }

  /** What it waited for is here: until it says what becomes of the request, no more is read. */
  private tellGathered({ request }: ActiveFilter): void {
    if (request === null || request.gathering === null) return;
    const { gathered } = request.gathering;
    if (!request.gathered()) return;
    this.exchange.pauseRequest(BY_FILTERS);
    // Not now: whoever hands over the body is in the middle of it.
    queueMicrotask(() => {
      if (!this.ended) gathered();
    });
  }

  /** After a callback: what it asked for takes effect now. 'stop': the exchange is no longer the chain's to continue. */
  private settle(active: ActiveFilter, direction: Direction, verdict: Verdict): Verdict | 'stop' {
    this.depth--;
    const resumed = active.resumed;
    active.resumed = null;
    if (this.ended) return 'stop';
    if (active.reply !== null) {
      const { reply } = active;
      active.reply = null;
      this.reply(active, reply);
      return 'stop';
    }
    if (active.closing) {
      this.exchange.cut();
      return 'stop';
    }
    // Asked to continue within the very callback that paused.
    if (resumed === direction) return 'continue';
    if (resumed !== null) this.resume(active, resumed);
    return this.ended ? 'stop' : verdict;
  }

  /** A filter answers here: the filters that the request entered see it on its way back. */
  reply(active: ActiveFilter, reply: LocalReply): void {
    if (this.ended) return;
    if (this.depth > 0) {
      active.reply = reply;
      return;
    }
    this.replies++;
    if (!this.answered) {
      this.exchange.reply(reply);
      return;
    }
    // In place of a response that is on its way back: only the filters that it has not passed yet see the new one.
    const answer = this.exchange.replaceResponse(reply);
    if (answer === null) return;
    const before = active.index - 1;
    const bodyless = answer.body.length === 0;
    this.responseHeadFrom(before, bodyless);
    if (bodyless || this.ended) return;
    this.bodyFrom('response', before, BodyBuffer.of(answer.body), true);
  }

  close(active: ActiveFilter): void {
    if (this.depth > 0) active.closing = true;
    else if (!this.ended) this.exchange.cut();
  }

  resume(active: ActiveFilter, direction: Direction): void {
    if (this.ended) return;
    if (this.depth > 0) {
      active.resumed = direction;
      return;
    }
    const flow = active[direction];
    if (flow === null || flow.phase === 'flowing' || flow.phase === 'ended') return;
    const { phase } = flow;
    flow.phase = 'flowing';
    const at = active.index;
    const after = next(active, direction);
    const { held, trailers, end } = flow;
    flow.held = null;
    if (phase === 'head') {
      const request = direction === 'request';
      const head = request ? this.exchange.requestHead : this.exchange.responseHead!;
      const bodyless = endsAt(flow, head, flow.end && held === null);
      if (request) this.requestHeadFrom(after, bodyless);
      else this.responseHeadFrom(after, bodyless);
      // What waited before this filter has not been seen by it yet.
      if (held !== null && !this.ended) this.bodyFrom(direction, at, held, end);
    } else if (held !== null && (end || held.length > 0)) this.bodyFrom(direction, after, held, end);
    if (trailers !== null && !this.ended) this.trailersFrom(direction, phase === 'trailers' ? after : at, trailers);
    this.readOn(direction);
  }

  /** Bytes pass a filter that goes on holding what comes after them. */
  pass(active: ActiveFilter, direction: Direction, bytes: Buffer): void {
    if (this.ended || (active[direction]?.held ?? null) === null || active.flows(direction)) return;
    this.bodyFrom(direction, next(active, direction), BodyBuffer.of(bytes), false);
  }

  stall(active: ActiveFilter, direction: Direction): void {
    if (this.ended || active[direction]?.stalled === true) return;
    active.flow(direction).stalled = true;
    if (direction === 'request') this.exchange.pauseRequest(BY_FILTERS);
    else this.exchange.pauseResponse(BY_FILTERS);
  }

  unstall(active: ActiveFilter, direction: Direction): void {
    const flow = active[direction];
    if (flow?.stalled !== true) return;
    flow.stalled = false;
    this.readOn(direction);
  }

  /** Unless a filter still wants nothing more to come. */
  private readOn(direction: Direction): void {
    if (this.ended) return;
    for (const active of this.entered) {
      const flow = active[direction];
      if (flow !== null && (flow.phase === 'head' || flow.stalled)) return;
    }
    if (direction === 'request') this.exchange.resumeRequest(BY_FILTERS);
    else this.exchange.resumeResponse(BY_FILTERS);
  }
}
