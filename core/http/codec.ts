// The seam between bytes and exchanges. A codec (http1/, http2/) turns a connection into streams, one per request;
// everything above this file is version-neutral. Types only.

import type { FailureCode } from '../errors.ts';
import type { Timers } from '../timers.ts';
import type { Protocol } from '../transport/protocol.ts';
import type { Connection, Transport } from '../transport/transport.ts';
import type { Head } from './head.ts';

/** Codecs by what a connection speaks. */
export interface Codecs extends Readonly<Record<Protocol, Codec | CodecSource>> {
  readonly 'http/1.1': Codec;
  readonly h2: CodecSource;
  readonly 'weft-multiplexed': CodecSource;
}

/** A codec that is there when somebody has asked for it. */
export interface CodecSource {
  readonly expectedStreams: number;
  /** Null: it is not loaded yet. */
  readonly codec: Codec | null;
  load(): Promise<Codec>;
}

export interface Codec {
  /** Streams that a connection to an upstream is counted on for, before it is there and says itself. */
  readonly expectedStreams: number;
  /** Reads requests from an accepted connection and gives them to `handler`, until it closes. */
  serve(transport: Transport, handler: ServerHandler, options: ServerOptions): ServerConnection;
  /** Sends requests over a connection to an upstream. */
  connect(transport: Transport, options: ClientOptions): ClientConnection;
}

/** One side of one request on one connection: what can be written to it. Reading arrives at its receiver. */
export interface Stream {
  readonly connection: Connection;
  /** Downstream: a response head. Upstream: a request head. `end`: no body follows. Framing is the codec's business. */
  writeHead(head: Head, end: boolean): void;
  /** Takes borrowed bytes too. False when the peer is slow: stop reading the other side until `onWritable`. An empty chunk with `end` is allowed. */
  writeData(chunk: Buffer, end: boolean): boolean;
  /** Ends the message with trailers. */
  writeTrailers(trailers: Head): void;
  /** Back-pressure towards the peer that sends on this stream. Idempotent. */
  pauseReading(): void;
  resumeReading(): void;
  /**
   * Gives up on this stream: whatever is not finished is cut off (HTTP/1: the connection closes). The receiver hears
   * nothing more. Safe to call at any time, also twice.
   */
  reset(): void;
}

/** Downstream streams can also be told how to continue the connection. */
export interface DownstreamStream extends Stream {
  /**
   * An interim answer (1xx), before the head; there may be several. Nothing is sent to clients that do not know them. False when the
   * peer is slow, as with `writeData`.
   */
  writeInterim(head: Head): boolean;
  /** HTTP/1: the connection closes after this response. */
  closeAfterResponse(): void;
  /** 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2' as the access log prints it. */
  readonly protocol: string;
  /** Destination fixed by a tunnel, whatever the request's authority says; null otherwise. */
  readonly destination: string | null;
}

export interface UpstreamStream extends Stream {
  /** True when an earlier request used the same connection (a close before the first byte may then be a race). */
  readonly reused: boolean;
  /** True once any byte of the response arrived. */
  readonly answered: boolean;
  /** True once any byte of the request was handed to the socket. */
  readonly sent: boolean;
  /** True once the peer has answered in HTTP/1.0: it sends no interim answers. */
  readonly http10: boolean;
}

/** What a stream tells its owner of a message after its head: data*, trailers?; or a reset at any point. Called synchronously. */
export interface Receiver {
  /** The bytes are borrowed (transport/read-buffer.ts): a receiver that holds them after this call retains them. */
  onData(chunk: Buffer, end: boolean): void;
  /** Ends the message. */
  onTrailers(trailers: Head): void;
  /** The stream is dead: peer closed, connection lost, protocol violated. Nothing follows. */
  onReset(reason: FailureCode): void;
  /** The peer reads again after writeData returned false. */
  onWritable(): void;
}

/** Of an answer: interim*, head, and then as above. */
export interface ResponseReceiver extends Receiver {
  /** An interim answer (1xx, but 101). */
  onInterim(head: Head): void;
  onHead(head: Head, end: boolean): void;
}

/** What a listener's owner gives to the server codec. */
export interface ServerHandler {
  /** A request's head has arrived. Returns the receiver of the rest. */
  onRequest(stream: DownstreamStream, head: Head, end: boolean): Receiver;
  /**
   * The bytes were no acceptable request. The codec has not answered: the owner answers through `stream` (a local reply
   * with `closeAfterResponse`) and logs it. `head` is what could be read of it, or null.
   */
  onMalformed(stream: DownstreamStream, reason: FailureCode, head: Head | null): void;
}

export interface ServerOptions {
  /** The shard's wheel. */
  readonly timers: Timers;
  readonly maxHeadBytes: number; // 60 KiB as Envoy
  readonly maxFields: number; // 100 as Envoy
  readonly headerTimeoutMs: number; // from the first byte of a head to its end
  readonly idleTimeoutMs: number; // no active request
  readonly maxStreams: number; // requests of a connection that are open at once; of HTTP/1, read ahead of the response in progress
  /** Gateways refuse CONNECT and absolute-form ('reverse'); sidecars' outbound port takes them ('forward'). */
  readonly mode: 'reverse' | 'forward';
  /** Where all of its requests go, whatever they say, since they come through a tunnel; null or left out: where they say. */
  readonly destination?: string | null;
  /** Told of a client's fault that ends its connection or a stream of it. */
  readonly onFault?: (text: string) => void;
}

export interface ClientOptions {
  readonly maxHeadBytes: number;
  readonly maxFields: number;
  /** Told of an upstream's fault that ends its connection or a stream of it. */
  readonly onFault?: (text: string) => void;
}

/** A server-side codec bound to one accepted connection. */
export interface ServerConnection {
  readonly activeStreams: number;
  /**
   * Graceful: finishes what is open, says that it closes with the next answer (HTTP/1) or at once (HTTP/2), and closes. Where
   * nothing is open HTTP/1 waits `graceMs` for a request that may be on its way.
   */
  drain(graceMs: number): void;
  destroy(): void;
  /** Called once, when the connection is no more and its streams have heard of it. */
  onClosed: (() => void) | null;
}

/** A client-side codec bound to one connection. */
export interface ClientConnection {
  /** Opens a stream. Throws when there is no room for one: no pool may do that. */
  open(receiver: ResponseReceiver): UpstreamStream;
  /** Streams that may be opened now beside those that are. HTTP/1: 1 or 0. */
  readonly capacity: number;
  readonly activeStreams: number;
  /** Called when `capacity` has grown, as after a stream has ended. */
  onAvailable: (() => void) | null;
  /**
   * Called once, when the peer takes no further stream while open ones go on (HTTP/2: GOAWAY). `capacity` stays 0, and the
   * connection closes after its last stream. Never with HTTP/1.
   */
  onDraining: (() => void) | null;
  /** Called once, when the connection is no more. */
  onClosed: (() => void) | null;
  /** A peer that does not answer in time whether it is there is given up. HTTP/1 has nothing to ask with. */
  keepAliveBy?(policy: KeepAlive, timers: Timers): void;
  destroy(): void;
}

export interface KeepAlive {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}
