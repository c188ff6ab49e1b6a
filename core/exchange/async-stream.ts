// Streams that filters begin of their own (proxy_grpc_stream): over HTTP/2 through the shard's clusters and pools, through no filter.
// What is sent before there is a connection, or while the service does not read, waits here, within limits.

import type { Admission, Cluster } from '../cluster/cluster.ts';
import type { Pool, Waiter } from '../cluster/pool.ts';
import { FAILURES, type FailureCode } from '../errors.ts';
import type { ClientConnection, ResponseReceiver, UpstreamStream } from '../http/codec.ts';
import type { Head } from '../http/head.ts';
import type { Timers } from '../timers.ts';
import type { OpenStream, StreamReceiver, StreamRequest } from '../wasm/abi/upstreams.ts';

/** Bytes of all that waits on this shard in calls and streams of filters. */
export const MAX_COLLECTED_BYTES = 64 << 20;
/** And of what one stream has not sent yet. */
const MAX_WAITING_BYTES = 8 << 20;

/** What the calls and streams of one shard share. */
export interface Collection {
  readonly timers: Timers;
  bytes: number;
}

export class AsyncStream implements Waiter, ResponseReceiver, OpenStream {
  private readonly collection: Collection;
  private readonly cluster: Cluster;
  private readonly request: StreamRequest;
  /** Null: it is over. */
  private receiver: StreamReceiver | null;
  private admission: Admission | null = null;
  private pool: Pool | null = null;
  private stream: UpstreamStream | null = null;
  private readonly waiting: Buffer[] = [];
  private waitingBytes = 0;
  private blocked = true;
  /** Nothing more is sent, and that has been written. */
  private ends = false;
  private ended = false;

  constructor(collection: Collection, cluster: Cluster, request: StreamRequest, receiver: StreamReceiver) {
    this.collection = collection;
    this.cluster = cluster;
    this.request = request;
    this.receiver = receiver;
  }

  start(): void {
    if (this.receiver === null) return;
    if (this.cluster.resolve === null) this.attempt();
    else this.cluster.resolve(() => this.attempt());
  }

  send(bytes: Buffer, end: boolean): boolean {
    if (this.receiver === null || this.ends) return true;
    const { collection } = this;
    const { length } = bytes;
    if (this.waitingBytes + length > MAX_WAITING_BYTES || collection.bytes + length > MAX_COLLECTED_BYTES) return false;
    this.ends = end;
    if (length > 0) this.waiting.push(bytes);
    this.waitingBytes += length;
    collection.bytes += length;
    if (!this.blocked) this.flush();
    return true;
  }

  giveUp(): void {
    this.receiver = null;
    this.release();
    this.stream?.reset();
  }

  connected(connection: ClientConnection): void {
    const stream = connection.open(this);
    this.stream = stream;
    stream.writeHead(this.request.head, false);
    this.flush();
  }

  failed(reason: FailureCode, text: string): void {
    this.fail(text === '' ? FAILURES[reason].details : text);
  }

  onInterim(): void {
    // A filter is given the answer.
  }

  onHead(head: Head, end: boolean): void {
    const { receiver } = this;
    if (end) this.succeeded();
    receiver?.onHead(head, end);
  }

  onData(chunk: Buffer, end: boolean): void {
    const { receiver } = this;
    if (end) this.succeeded();
    receiver?.onData(chunk, end);
  }

  onTrailers(trailers: Head): void {
    const { receiver } = this;
    this.succeeded();
    receiver?.onTrailers(trailers);
  }

  onReset(reason: FailureCode): void {
    this.stream = null;
    this.admission?.failed();
    this.fail(FAILURES[reason].details);
  }

  onWritable(): void {
    this.flush();
  }

  private attempt(): void {
    if (this.receiver === null) return;
    this.admission = this.cluster.admit();
    if (!this.admission.begin()) {
      this.failed('overflow', '');
      return;
    }
    const endpoint = this.admission.enter(null);
    if (endpoint === null) {
      this.failed(this.cluster.resolve === null ? 'no_healthy_upstream' : 'dns_failure', '');
      return;
    }
    this.pool = endpoint.poolOf('h2');
    this.pool.take(this.cluster, this);
  }

  private flush(): void {
    const { stream, waiting } = this;
    if (stream === null) return;
    this.blocked = false;
    while (waiting.length > 0 && !this.blocked) {
      const bytes = waiting.shift()!;
      this.waitingBytes -= bytes.length;
      this.collection.bytes -= bytes.length;
      const last = this.ends && waiting.length === 0;
      if (last) this.ended = true;
      this.blocked = !stream.writeData(bytes, last);
    }
    if (!this.ends || this.ended || waiting.length > 0) return;
    this.ended = true;
    stream.writeData(NOTHING, true);
  }

  /** All of the answer has come. What is still to be sent is of no use. */
  private succeeded(): void {
    this.receiver = null;
    this.admission?.succeeded();
    this.release();
    if (!this.ended) this.stream?.reset();
  }

  private fail(failure: string): void {
    const { receiver } = this;
    if (receiver === null) return;
    this.giveUp();
    receiver.onFailure(failure);
  }

  /** Gives back what the shard counts. */
  private release(): void {
    this.collection.bytes -= this.waitingBytes;
    this.waitingBytes = 0;
    this.waiting.length = 0;
    if (this.stream === null) this.pool?.cancel(this);
    this.admission?.ended();
  }
}

const NOTHING = Buffer.alloc(0);
