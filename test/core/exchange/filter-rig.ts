// For the tests of the filter manager: filters that do as they are told, and the exchange's side of the chain.

import type { BodyBuffer } from '../../../core/exchange/body-buffer.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { Direction, FilterFactory, FilterStream, LocalReply, Verdict } from '../../../core/exchange/filter.ts';
import { FilterChain } from '../../../core/exchange/filter-chain.ts';
import { FilterManager } from '../../../core/exchange/filter-manager.ts';
import { replyResponse } from '../../../core/exchange/local-reply.ts';
import { Head } from '../../../core/http/head.ts';
import { Timers } from '../../../core/timers.ts';

/** The exchange's side of the chain: what leaves the chain is written down. */
class Outside {
  readonly out: string[] = [];
  readonly requestHead = Head.request('POST', 'reviews', '/');
  responseHead: Head | null = null;
  flags = 0;
  readonly shard: { timers: Timers };
  manager: FilterManager | null = null;

  constructor(timers: Timers) {
    this.shard = { timers };
  }
  onUpstreamInterim(head: Head): void {
    this.requestHead.expectContinue = false;
    this.out.push(`interim ${head.status}`);
  }
  forward(end: boolean): void {
    this.out.push(`forward head${end ? ' end' : ''}`);
  }
  forwardData(chunk: Buffer, end: boolean): void {
    this.out.push(`forward ${chunk}${end ? ' end' : ''}`);
  }
  forwardTrailers(): void {
    this.out.push('forward trailers');
  }
  sendHead(head: Head, end: boolean): void {
    this.out.push(`send ${head.status}${end ? ' end' : ''}`);
  }
  sendData(chunk: Buffer, end: boolean): void {
    this.out.push(`send ${chunk}${end ? ' end' : ''}`);
  }
  sendTrailers(): void {
    this.out.push('send trailers');
  }
  requestPaused = false;
  pauseRequest(): void {
    this.requestPaused = true;
  }
  resumeRequest(): void {
    this.requestPaused = false;
  }
  pauseResponse(): void {}
  resumeResponse(): void {}
  cut(): void {
    this.out.push('cut');
    this.manager!.end();
  }
  fail(reason: string): void {
    this.out.push(`fail ${reason}`);
  }
  reply(reply: LocalReply): void {
    const answer = replyResponse(reply, this.requestHead);
    this.responseHead = answer.head;
    this.manager!.head('response', false);
    this.manager!.body('response', answer.body, true);
  }
  /** The upstream answers. */
  respond(head: Head, end: boolean): void {
    this.responseHead = head;
    this.manager!.head('response', end);
  }
  replaceResponse(reply: LocalReply) {
    const answer = replyResponse(reply, this.requestHead);
    this.responseHead = answer.head;
    return answer;
  }
}

type Phase = `${Direction}${'Head' | 'Body' | 'Trailers'}`;
type Behaviour = Partial<Record<Phase, (stream: FilterStream, body: BodyBuffer) => Verdict>>;

/** Of the filters of the last chain, in order. */
export const calls: string[] = [];
export const streams = new Map<string, FilterStream>();

export function filter(name: string, behaviour: Behaviour = {}): FilterFactory {
  return {
    name,
    wants: { request: { head: true, body: true }, response: { head: true, body: true } },
    open(stream) {
      streams.set(name, stream);
      const run = (phase: Phase, body?: BodyBuffer): Verdict => {
        calls.push(`${name}.${phase}${body === undefined ? '' : `(${body.bytes()})`}`);
        return behaviour[phase]?.(stream, body!) ?? 'continue';
      };
      return {
        head: (direction) => run(`${direction}Head`),
        body: (direction, body) => run(`${direction}Body`, body),
        trailers: (direction) => run(`${direction}Trailers`),
        done: () => calls.push(`${name}.done`),
      };
    },
  };
}

export function through(...filters: FilterFactory[]) {
  calls.length = 0;
  let now = 0;
  const timers = new Timers(10, () => now);
  const outside = new Outside(timers);
  const manager = new FilterManager(outside as unknown as Exchange, new FilterChain(filters));
  outside.manager = manager;
  return {
    outside,
    manager,
    out: outside.out,
    at(ms: number) {
      now = ms;
      timers.advance();
    },
    stop: () => timers.stop(),
  };
}
