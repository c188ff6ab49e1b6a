// The seam between bytes and exchanges. A codec (http1/, later http2/) turns a socket into streams, one per request;
// everything above this file is version-neutral. Types only.

import type { FailureCode } from '../errors.ts';
import type { Head } from './head.ts';

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
  /** HTTP/1: the connection closes after this response. */
  closeAfterResponse(): void;
  /**
   * CONNECT was accepted: answers 200 and hands the connection's further bytes back to the codec, as requests whose
   * destination is `authority` whatever their Host says. HTTP/1 only.
   */
  acceptTunnel(authority: string): void;
  /** 'HTTP/1.1', 'HTTP/1.0', 'HTTP/2' as the access log prints it. */
  readonly protocol: string;
  /** Destination fixed by a CONNECT tunnel or an absolute-form target, which overrides Host; null otherwise. */
  readonly destination: string | null;
}

export interface UpstreamStream extends Stream {
  /** True when an earlier request used the same connection (a close before the first byte may then be a race). */
  readonly reused: boolean;
  /** True once any byte of the response arrived. */
  readonly answered: boolean;
  /** True once any byte of the request was handed to the socket. */
  readonly sent: boolean;
}

/** What a stream tells its owner, in this order: head, data*, trailers?; or a reset at any point. Called synchronously. */
export interface Receiver {
  onHead(head: Head, end: boolean): void;
  /** The bytes are borrowed (transport/read-buffer.ts): a receiver that holds them after this call retains them. */
  onData(chunk: Buffer, end: boolean): void;
  /** Ends the message. */
  onTrailers(trailers: Head): void;
  /** The stream is dead: peer closed, connection lost, protocol violated. Nothing follows. */
  onReset(reason: FailureCode): void;
  /** The peer reads again after writeData returned false. */
  onWritable(): void;
}

/** A connection's facts, the same for all its streams. */
export interface Connection {
  readonly id: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  /** Free for the owner: the router remembers here what the last request on this connection resolved to. */
  memo: unknown;
}

/** What a listener's owner gives to the server codec. */
export interface ServerHandler {
  /** A request's head has arrived. Returns the receiver of the rest (its onHead is not called for this head). */
  onRequest(stream: DownstreamStream, head: Head, end: boolean): Receiver;
  /**
   * The bytes were no acceptable request. The codec has not answered: the owner answers through `stream` (a local reply
   * with `closeAfterResponse`) and logs it. `head` is what could be read of it, or null.
   */
  onMalformed(stream: DownstreamStream, reason: FailureCode, head: Head | null): void;
  onConnectionClosed(connection: Connection): void;
}

export interface ServerOptions {
  readonly maxHeadBytes: number; // 60 KiB as Envoy
  readonly maxFields: number; // 100 as Envoy
  readonly headerTimeoutMs: number; // from the first byte of a head to its end
  readonly idleTimeoutMs: number; // no active request
  readonly maxPipelined: number; // requests read ahead of the response in progress
  /** Gateways refuse CONNECT and absolute-form ('reverse'); sidecars' outbound port takes them ('forward'). */
  readonly mode: 'reverse' | 'forward';
  readonly highWaterMark: number; // bytes buffered towards a slow client before writeData says false
}

/** A server-side codec bound to one accepted socket. */
export interface ServerConnection extends Connection {
  /** Graceful: finish what is open, take no further request, then close. */
  drain(): void;
  destroy(): void;
  readonly activeStreams: number;
}

/** A client-side codec bound to one connected socket. */
export interface ClientConnection extends Connection {
  /** Opens the next stream. HTTP/1: only when `available`. */
  open(receiver: Receiver): UpstreamStream;
  /** True when a stream may be opened now. */
  readonly available: boolean;
  readonly activeStreams: number;
  /** Called when `available` turned true after a stream ended. */
  onAvailable: (() => void) | null;
  /** Called once, when the connection is no more. */
  onClosed: (() => void) | null;
  destroy(): void;
}
