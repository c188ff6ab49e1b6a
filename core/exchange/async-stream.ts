// Streams that filters begin of their own (proxy_grpc_stream): over HTTP/2 through the shard's clusters and pools, through no filter.
// What is sent before there is a connection, or while the service does not read, waits here, within limits.

import type { Cluster } from '../cluster/cluster.ts';
import { FAILURES, type FailureCode } from '../errors.ts';
import type { ClientConnection, ResponseReceiver } from '../http/codec.ts';
import type { Head } from '../http/head.ts';
import type { Protocol } from '../transport/protocol.ts';
import type { OpenStream, StreamReceiver, StreamRequest } from '../wasm/abi/upstreams.ts';
import { AsyncAttempt, type Collection, MAX_COLLECTED_BYTES } from './async-attempt.ts';

/** Bytes of what one stream has not sent yet. */
const MAX_WAITING_BYTES = 8 << 20;

export class AsyncStream extends AsyncAttempt implements ResponseReceiver, OpenStream {
  private readonly request: StreamRequest;
  /** Null: it is over. */
  private receiver: StreamReceiver | null;
  private readonly waiting: Buffer[] = [];
  private waitingBytes = 0;
  private blocked = true;
  /** Nothing more is sent, and that has been written. */
  private ends = false;
  private ended = false;

  constructor(collection: Collection, cluster: Cluster, request: StreamRequest, receiver: StreamReceiver) {
    super(collection, cluster);
    this.request = request;
    this.receiver = receiver;
  }

  start(): void {
    if (this.receiver === null) return;
    this.enter();
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

  protected isOver(): boolean {
    return this.receiver === null;
  }

  protected protocol(): Protocol {
    return 'h2';
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

  protected fail(failure: string): void {
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
    this.leave();
  }
}

const NOTHING = Buffer.alloc(0);
