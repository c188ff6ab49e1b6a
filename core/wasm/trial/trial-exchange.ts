// An exchange without sockets: the chain drives its one filter as in a proxy, the upstream's answer is given beforehand,
// and what would have been sent is kept.

import { FAILURES, type FailureCode, flagBit } from '../../errors.ts';
import type { Direction, FilterFactory, LocalReply } from '../../exchange/filter.ts';
import { FilterChain } from '../../exchange/filter-chain.ts';
import { FilterManager, type FilterManagerCallbacks } from '../../exchange/filter-manager.ts';
import { failureResponse, type LocalResponse, replyResponse } from '../../exchange/local-reply.ts';
import { Head } from '../../http/head.ts';
import { mapPairs } from '../../http/pseudo-headers.ts';
import type { Timers } from '../../timers.ts';
import type { Workload } from '../../workload.ts';
import type { Pair } from '../abi/pairs.ts';

/** Headers are latin1, one char a byte. */
export interface TrialRequest {
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly scheme: 'http' | 'https';
  readonly headers: readonly Pair[];
  readonly body: Buffer;
  readonly trailers?: readonly Pair[];
}

export interface TrialResponse {
  readonly status: number;
  readonly headers: readonly Pair[];
  readonly body: Buffer;
  readonly trailers?: readonly Pair[];
}

export const CONNECTION = {
  id: 1,
  remoteAddress: '127.0.0.1',
  remotePort: 50_000,
  localAddress: '127.0.0.1',
  localPort: 8080,
  tls: null,
} as const;

export class TrialExchange implements FilterManagerCallbacks {
  readonly direction = 'inbound';
  readonly connection = { ...CONNECTION };
  readonly protocol = 'HTTP/1.1';
  readonly startTime = Date.now();
  readonly requestEndMs = 0;
  readonly responseStartMs = -1;
  readonly durationMs = -1;
  readonly upstreamServiceMs = -1;
  readonly originalPath = null;
  responseTrailers: Head | null = null;
  readonly requestId = '';
  claims = null;
  readonly host = null;
  readonly route = null;
  readonly virtualHostName = 'inbound|http|8080';
  readonly routeName = 'default';
  readonly clusterName = 'inbound|8080||';
  readonly clusterEndpoints = 1;
  readonly upstreamHost = '127.0.0.1:8080';
  readonly upstreamLocalAddress = '';
  readonly upstreamTls = null;
  readonly upstreamTransportFailure = '';
  readonly attempts = 1;
  readonly destinationPort = 8080;
  readonly source: Workload | null = null;
  readonly destination: Workload | null = null;
  readonly sourcePrincipal = '';
  readonly destinationService: string;
  readonly shard: { readonly timers: Timers };
  readonly requestHead: Head;
  responseHead: Head | null = null;
  responseCode = 0;
  responseCodeDetails = 'via_upstream';
  bytesReceived: number;
  bytesSent = 0;
  readonly messages = null;
  flags = 0;

  /** What reached the upstream; null while the head has not. */
  forwarded: Pair[] | null = null;
  readonly forwardedBody: Buffer[] = [];
  forwardedTrailers: Pair[] = [];
  /** What reached the client. */
  sent: { readonly status: number; readonly headers: Pair[] } | null = null;
  readonly sentBody: Buffer[] = [];
  sentTrailers: Pair[] = [];
  /** The filter's own answer, if it gave one. */
  local: LocalReply | null = null;
  ended = false;
  /** The connection was cut off before the answer was complete. */
  wasCut = false;
  private answered = false;
  private readonly manager: FilterManager;
  private readonly request: TrialRequest;
  private readonly response: TrialResponse;

  constructor(filter: FilterFactory, request: TrialRequest, response: TrialResponse, timers: Timers) {
    this.shard = { timers };
    this.request = request;
    this.response = response;
    this.destinationService = request.authority;
    this.bytesReceived = request.body.length;
    const head = Head.request(request.method, request.authority, request.path, request.headers);
    head.scheme = request.scheme;
    if (request.trailers === undefined) head.contentLength = request.body.length;
    this.requestHead = head;
    this.manager = new FilterManager(this, new FilterChain([filter]));
  }

  begin(): void {
    const { body, trailers } = this.request;
    this.pass('request', body, trailersOf(trailers), () => !this.ended && !this.answered);
  }

  private pass(direction: Direction, body: Buffer, trailers: Head | null, goesOn: () => boolean): void {
    this.manager.head(direction, body.length === 0 && trailers === null);
    if (body.length > 0 && goesOn()) this.manager.body(direction, body, trailers === null);
    if (trailers !== null && goesOn()) this.manager.trailers(direction, trailers);
  }

  /** The client is gone: an exchange that is still held ends, too. */
  end(): void {
    if (!this.ended) this.finish();
  }

  forward(end: boolean): void {
    if (this.answered || this.ended) return;
    this.forwarded = mapPairs(this.requestHead, 'request');
    if (end) this.upstreamAnswers();
  }

  forwardData(chunk: Buffer, end: boolean): void {
    if (this.answered || this.ended) return;
    this.forwardedBody.push(chunk);
    if (end) this.upstreamAnswers();
  }

  onUpstreamInterim(): void {
    // Its client waits for nothing.
  }

  sendHead(head: Head, end: boolean): void {
    if (this.ended || this.sent !== null) return;
    this.sent = { status: head.status, headers: mapPairs(head, 'response').filter(([name]) => name !== ':status') };
    this.responseCode = head.status;
    if (end) this.finish();
  }

  sendData(chunk: Buffer, end: boolean): void {
    if (this.ended) return;
    this.bytesSent += chunk.length;
    this.sentBody.push(chunk);
    if (end) this.finish();
  }

  reply(reply: LocalReply): void {
    if (this.ended) return;
    this.rememberLocal(reply);
    if (this.sent !== null) this.cut();
    else this.answer(replyResponse(reply, this.requestHead));
  }

  replaceResponse(reply: LocalReply): LocalResponse | null {
    this.rememberLocal(reply);
    if (this.sent !== null) {
      this.cut();
      return null;
    }
    const answer = replyResponse(reply, this.requestHead);
    this.takeOver(answer);
    return answer;
  }

  fail(reason: FailureCode): void {
    if (this.ended) return;
    const { flag } = FAILURES[reason];
    if (flag !== null) this.flags |= flagBit(flag);
    if (this.sent !== null) this.cut();
    else this.answer(failureResponse(reason, this.requestHead));
  }

  cut(): void {
    if (this.ended) return;
    this.wasCut = true;
    this.finish();
  }

  forwardTrailers(trailers: Head): void {
    if (this.answered || this.ended) return;
    this.forwardedTrailers = mapPairs(trailers, 'trailers');
    this.upstreamAnswers();
  }

  sendTrailers(trailers: Head): void {
    if (this.ended) return;
    this.sentTrailers = mapPairs(trailers, 'trailers');
    this.finish();
  }

  // There is nothing that pushes back, and one route.
  pauseRequest(): void {}
  resumeRequest(): void {}
  pauseResponse(): void {}
  resumeResponse(): void {}
  routeStale = false;
  chooseRouteAgain(): void {}

  private upstreamAnswers(): void {
    // An answer comes in a turn of its own.
    setImmediate(() => {
      if (this.ended || this.answered) return;
      const { status, headers, body, trailers } = this.response;
      const head = Head.response(status, headers);
      if (trailers === undefined) head.contentLength = body.length;
      this.give(head, body, trailersOf(trailers));
    });
  }

  private answer(answer: LocalResponse): void {
    this.takeOver(answer);
    this.give(answer.head, answer.body, null);
  }

  private takeOver(answer: LocalResponse): void {
    this.answered = true;
    this.responseCodeDetails = answer.details;
    this.responseHead = answer.head;
    this.responseCode = answer.head.status;
  }

  private give(head: Head, body: Buffer, trailers: Head | null): void {
    this.answered = true;
    this.responseHead = head;
    this.responseCode = head.status;
    this.responseTrailers = trailers;
    this.pass('response', body, trailers, () => !this.ended);
  }

  private rememberLocal(reply: LocalReply): void {
    if (reply.details !== FAILURES.filter_failed.details) this.local ??= reply;
  }

  private finish(): void {
    this.ended = true;
    this.manager.end();
  }
}

function trailersOf(fields: readonly Pair[] | undefined): Head | null {
  return fields === undefined ? null : Head.response(0, fields);
}
