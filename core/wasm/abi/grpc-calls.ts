// The gRPC calls and streams that one instance has under way. As HTTP calls they belong to plugins' roots. A call ends with one message,
// or with a status that is not OK, and the guest hears of one of the two; a stream always ends with its status.

import {
  GRPC_INTERNAL,
  GRPC_UNAVAILABLE,
  GRPC_UNKNOWN,
  grpcMessageIn,
  grpcStatusIn,
  grpcStatusOfHttp,
} from '../../http/grpc-status.ts';
import type { Head } from '../../http/head.ts';
import { fieldCount } from '../../http/pseudo-headers.ts';
import type { CallIds } from './call-ids.ts';
import { framed, GrpcUnframing, Misframed } from './grpc-framing.ts';
import { GrpcStream, type Sent } from './grpc-stream.ts';
import type { Host } from './host.ts';
import { MAX_CALLS } from './http-calls.ts';
import type { GiveUp, Upstream, UpstreamFailure, UpstreamRequest, UpstreamResponse } from './upstreams.ts';

/** The plugin that calls. */
export interface GrpcCaller {
  readonly name: string;
  /** Those that it waits for, over HTTP and gRPC. */
  calls: number;
  /** Each calls the callback of its name. */
  grpcHead(id: number, fields: number): void;
  grpcMessage(id: number, bytes: number): void;
  grpcTrailers(id: number, fields: number): void;
  grpcClosed(id: number, status: number): void;
}

interface Call {
  readonly plugin: GrpcCaller;
  readonly stream: GrpcStream | null;
  giveUp: GiveUp;
}

export class GrpcCalls {
  /** What the running callback is about: readable whatever the effective context is. Null outside of it. */
  head: Head | null = null;
  trailers: Head | null = null;
  message: Buffer | null = null;
  /** What proxy_get_status says. */
  statusCode = 0;
  statusText = '';
  /** Bytes of messages that have come in part, of all streams. */
  held = 0;
  private readonly host: Pick<Host, 'log'>;
  private readonly ids: CallIds;
  private readonly calls = new Map<number, Call>();

  constructor(host: Pick<Host, 'log'>, ids: CallIds) {
    this.host = host;
    this.ids = ids;
  }

  get size(): number {
    return this.calls.size;
  }

  /** Id of the call; 0: the plugin has too many under way. */
  call(plugin: GrpcCaller, upstream: Upstream, request: UpstreamRequest): number {
    if (plugin.calls >= MAX_CALLS) return 0;
    const id = this.ids.take();
    plugin.calls++;
    const giveUp = upstream.call(request, (outcome) => this.answered(id, outcome));
    this.calls.set(id, { plugin, stream: null, giveUp });
    return id;
  }

  /** Id of the stream; 0: the plugin has too many under way. */
  open(plugin: GrpcCaller, open: NonNullable<Upstream['open']>, head: Head): number {
    if (plugin.calls >= MAX_CALLS) return 0;
    const id = this.ids.take();
    plugin.calls++;
    const stream = new GrpcStream(this, id);
    const sending = open({ plugin: plugin.name, head }, stream);
    stream.sending = sending;
    this.calls.set(id, { plugin, stream, giveUp: () => sending.giveUp() });
    return id;
  }

  /** What became of a message for a stream. */
  send(plugin: GrpcCaller, id: number, message: Uint8Array, end: boolean): Sent | 'unknown' | 'no stream' {
    const call = this.calls.get(id);
    if (call === undefined || call.plugin !== plugin) return 'unknown';
    if (call.stream === null) return 'no stream';
    return call.stream.send(framed(message), end);
  }

  /** A stream is told that nothing more is sent; a call is given up. False: there is none of this id. */
  close(plugin: GrpcCaller, id: number): boolean {
    const call = this.calls.get(id);
    if (call === undefined || call.plugin !== plugin) return false;
    if (call.stream === null) return this.cancel(plugin, id);
    call.stream.send(NOTHING, true);
    return true;
  }

  /** Nobody hears of it any more. False: there is none of this id. */
  cancel(plugin: GrpcCaller, id: number): boolean {
    const call = this.calls.get(id);
    if (call === undefined || call.plugin !== plugin) return false;
    this.over(id);
    call.giveUp();
    return true;
  }

  /** Gives up those of one plugin, or all: nobody is there to hear of them. */
  drop(of: GrpcCaller | null): void {
    for (const [id, { plugin, giveUp }] of this.calls) {
      if (of !== null && plugin !== of) continue;
      this.over(id);
      giveUp();
    }
  }

  // A stream tells its guest, as long as the guest has not given it up.

  headCame(id: number, head: Head | null): void {
    const call = this.calls.get(id);
    if (call === undefined) return;
    this.head = head;
    call.plugin.grpcHead(id, head === null ? 0 : fieldCount(head, 'response'));
    this.head = null;
  }

  messageCame(id: number, message: Buffer): void {
    const call = this.calls.get(id);
    if (call === undefined) return;
    this.message = message;
    call.plugin.grpcMessage(id, message.length);
    this.message = null;
  }

  trailersCame(id: number, trailers: Head | null): void {
    const call = this.calls.get(id);
    if (call === undefined) return;
    this.trailers = trailers;
    call.plugin.grpcTrailers(id, trailers === null ? 0 : fieldCount(trailers, 'trailers'));
    this.trailers = null;
  }

  closed(id: number, status: number, text: string): void {
    const call = this.calls.get(id);
    if (call === undefined) return;
    this.over(id);
    this.statusCode = status;
    this.statusText = text;
    call.plugin.grpcClosed(id, status);
    this.statusCode = 0;
    this.statusText = '';
  }

  isOpen(id: number): boolean {
    return this.calls.has(id);
  }

  private over(id: number): void {
    const call = this.calls.get(id);
    if (call === undefined) return;
    this.calls.delete(id);
    this.ids.give(id);
    call.plugin.calls--;
    call.stream?.over();
  }

  private answered(id: number, outcome: UpstreamResponse | UpstreamFailure): void {
    const call = this.calls.get(id);
    if (call === undefined) return;
    if ('failure' in outcome) {
      this.host.log('debug', call.plugin.name, `gRPC call ${id} has no answer: ${outcome.failure}`);
      this.closed(id, GRPC_UNAVAILABLE, outcome.failure);
      return;
    }
    const { head, body } = outcome;
    // In an answer without a message the head is the trailers.
    const trailers = outcome.trailers ?? head;
    const said = grpcStatusIn(trailers);
    if (head.status !== 200 && (said < 0 || body.length > 0)) {
      this.closed(id, grpcStatusOfHttp(head.status), `HTTP status ${head.status}`);
    } else if (said !== 0) {
      this.closed(id, said < 0 ? GRPC_UNKNOWN : said, grpcMessageIn(trailers));
    } else this.read(id, call.plugin, outcome);
  }

  private read(id: number, plugin: GrpcCaller, { head, body, trailers }: UpstreamResponse): void {
    const message = onlyMessage(body);
    if (typeof message === 'string') {
      this.closed(id, GRPC_INTERNAL, message);
      return;
    }
    this.over(id);
    this.head = head;
    this.trailers = trailers;
    this.message = message;
    plugin.grpcMessage(id, message.length);
    this.head = null;
    this.trailers = null;
    this.message = null;
  }
}

const NOTHING = Buffer.alloc(0);

/** Of a call's answer; a text: what is wrong with it. */
function onlyMessage(body: Buffer): Buffer | string {
  try {
    const first = new GrpcUnframing().next(body, 0);
    if (first === null) return 'the answer has no message';
    return first.end === body.length ? first.message : 'the answer has more than one message';
  } catch (error) {
    if (error instanceof Misframed) return error.message;
    throw error;
  }
}
