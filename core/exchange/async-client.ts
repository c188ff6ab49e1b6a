// Requests that filters send of their own (proxy_http_call, proxy_grpc_call, checks of external authorizers): through the shard's clusters and pools as any request goes,
// but through no filter, and with the whole answer collected. Bounded in size and time; a plugin's count is core/wasm's.

import type { Cluster } from '../cluster/cluster.ts';
import { FAILURES, type FailureCode } from '../errors.ts';
import type { ClientConnection, ResponseReceiver } from '../http/codec.ts';
import { type Head, isIdempotent } from '../http/head.ts';
import { Timer, type TimerOwner, type Timers } from '../timers.ts';
import type { Protocol } from '../transport/protocol.ts';
import { retainBytes } from '../transport/read-buffer.ts';
import type {
  GiveUp,
  OpenStream,
  StreamReceiver,
  StreamRequest,
  Upstream,
  UpstreamFailure,
  UpstreamRequest,
  UpstreamResponse,
  Upstreams,
} from '../wasm/abi/upstreams.ts';
import { AsyncAttempt, type Collection, MAX_COLLECTED_BYTES } from './async-attempt.ts';
import { AsyncStream } from './async-stream.ts';

/** Bytes of one answer. */
const MAX_ANSWER_BYTES = 4 << 20;
/** A call that names no time-out does not wait for ever. */
const LONGEST_MS = 300_000;

type Done = (outcome: UpstreamResponse | UpstreamFailure) => void;

export class AsyncClient implements Upstreams {
  private readonly collection: Collection;
  private readonly cluster: (name: string) => Cluster | null;

  /** `cluster`: the one that a name means, or null. */
  constructor(timers: Timers, cluster: (name: string) => Cluster | null) {
    this.collection = { timers, bytes: 0 };
    this.cluster = cluster;
  }

  find(name: string): Upstream | null {
    const cluster = this.cluster(name);
    if (cluster === null) return null;
    return {
      service: cluster.spec.service,
      call: (request, done) => this.call(cluster, request, done),
      open: (request, receiver) => this.open(cluster, request, receiver),
    };
  }

  private open(cluster: Cluster, request: StreamRequest, receiver: StreamReceiver): OpenStream {
    const stream = new AsyncStream(this.collection, cluster, request, receiver);
    // Not now, as with a call.
    queueMicrotask(() => stream.start());
    return stream;
  }

  private call(cluster: Cluster, request: UpstreamRequest, done: Done): GiveUp {
    const call = new AsyncRequest(this.collection, cluster, request, done);
    // Not now: the guest is in the middle of its callback, and a filter that is being configured may call into a cluster
    // whose endpoints are put into it a moment later.
    queueMicrotask(() => call.start());
    return () => call.giveUp();
  }
}

class AsyncRequest extends AsyncAttempt implements ResponseReceiver, TimerOwner {
  private readonly request: UpstreamRequest;
  private done: Done | null;
  private attempts = 0;
  private head: Head | null = null;
  private readonly chunks: Buffer[] = [];
  private readonly timer = new Timer(this);
  private size = 0;

  constructor(collection: Collection, cluster: Cluster, request: UpstreamRequest, done: Done) {
    super(collection, cluster);
    this.request = request;
    this.done = done;
  }

  start(): void {
    if (this.done === null) return;
    const { timeoutMs } = this.request;
    this.collection.timers.arm(this.timer, timeoutMs === 0 ? LONGEST_MS : Math.min(timeoutMs, LONGEST_MS));
    this.enter();
  }

  /** Nobody waits for the answer any more. */
  giveUp(): void {
    this.done = null;
    this.release();
    this.stream?.reset();
  }

  connected(connection: ClientConnection): void {
    const { head, body, trailers } = this.request;
    const stream = connection.open(this);
    this.stream = stream;
    stream.writeHead(head, body.length === 0 && trailers === null);
    // The codec tells by onReset, on a later turn, what it would not write.
    if (body.length > 0) stream.writeData(Buffer.from(body.buffer, body.byteOffset, body.length), trailers === null);
    if (trailers !== null) stream.writeTrailers(trailers);
  }

  onInterim(): void {
    // A filter is given the answer.
  }

  onHead(head: Head, end: boolean): void {
    this.head = head;
    if (end) this.answered(null);
  }

  onData(chunk: Buffer, end: boolean): void {
    this.size += chunk.length;
    this.collection.bytes += chunk.length;
    if (this.size > MAX_ANSWER_BYTES) {
      this.fail(`the answer has more than ${MAX_ANSWER_BYTES} bytes`);
      return;
    }
    if (this.collection.bytes > MAX_COLLECTED_BYTES) {
      this.fail('too many large answers are on their way');
      return;
    }
    if (chunk.length > 0) {
      retainBytes();
      this.chunks.push(chunk);
    }
    if (end) this.answered(null);
  }

  onTrailers(trailers: Head): void {
    this.answered(trailers);
  }

  onReset(reason: FailureCode): void {
    const { stream } = this;
    this.admission?.failed();
    // The upstream closed the kept connection just before the request reached it.
    const raced = stream?.reused === true && !stream.answered && reason === 'reset_before_response';
    if (raced && this.attempts === 1 && isIdempotent(this.request.head.method)) {
      this.stream = null;
      this.attempt();
      return;
    }
    this.stream = null;
    this.fail(FAILURES[reason].details);
  }

  onWritable(): void {
    // The whole request was handed over at once.
  }

  /** Its time is over. */
  expired(): void {
    this.fail(FAILURES.request_timeout.details);
  }

  protected isOver(): boolean {
    return this.done === null;
  }

  protected protocol(): Protocol {
    return this.request.http2 ? 'h2' : this.cluster.protocolFor('HTTP/1.1');
  }

  protected override attempt(): void {
    this.attempts++;
    super.attempt();
  }

  private answered(trailers: Head | null): void {
    const { done, head } = this;
    if (done === null || head === null) return;
    this.done = null;
    this.admission?.succeeded();
    const body = Buffer.concat(this.chunks, this.size);
    this.release();
    done({ head, body, trailers });
  }

  protected fail(failure: string): void {
    const { done } = this;
    if (done === null) return;
    this.done = null;
    this.release();
    this.stream?.reset();
    done({ failure });
  }

  /** Gives back what the shard counts. */
  private release(): void {
    const { collection, chunks } = this;
    collection.timers.cancel(this.timer);
    collection.bytes -= this.size;
    this.size = 0;
    chunks.length = 0;
    this.leave();
  }
}
