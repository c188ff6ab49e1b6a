// What a guest's calls to other services need of whoever runs it. Types only: core/exchange/async-client.ts sends them through the
// shard's clusters, a trial answers them from what it was given.

import type { Head } from '../../http/head.ts';

/** The plugin that asks. */
export interface Caller {
  /** 'default/tenant' */
  readonly name: string;
  /** Services that it may call, by the names it calls them by; null: all of the mesh. */
  readonly mayCall: readonly string[] | null;
}

export interface Upstreams {
  /**
   * Where `name` leads: a cluster, a service in any of its forms with or without a port, a URL of one. Null: the mesh knows
   * none of this name; nothing outside of it can be called.
   */
  find(name: string, by: Caller): Upstream | null;
}

export interface Upstream {
  /** Full name of the service: 'auth.default.svc.cluster.local'. */
  readonly service: string;
  /** Sends a request. `done` is called exactly once, never before this has returned, unless the call was given up. */
  call(request: UpstreamRequest, done: (outcome: UpstreamResponse | UpstreamFailure) => void): GiveUp;
  /** Begins a request over HTTP/2 whose body follows piece by piece, as its answer does. Absent: from here none can be begun. */
  open?(request: StreamRequest, receiver: StreamReceiver): OpenStream;
}

/** Ends a call that nobody waits for any more. */
export type GiveUp = () => void;

export interface UpstreamRequest {
  /** The plugin that calls. */
  readonly plugin: string;
  /** With its content-length set. */
  readonly head: Head;
  readonly body: Uint8Array;
  readonly trailers: Head | null;
  /** 0: none but the longest that the host allows. */
  readonly timeoutMs: number;
  /** Over HTTP/2 whatever the service is spoken to in, as gRPC is. */
  readonly http2: boolean;
}

export interface StreamRequest {
  readonly plugin: string;
  readonly head: Head;
}

/** An end or a failure is the last that is told, and nothing is after `giveUp`; nothing is before `open` has returned. */
export interface StreamReceiver {
  onHead(head: Head, end: boolean): void;
  /** The bytes are lent for the time of the call. */
  onData(bytes: Buffer, end: boolean): void;
  onTrailers(trailers: Head): void;
  onFailure(failure: string): void;
}

export interface OpenStream {
  /** Takes the bytes over. False: too many wait already, and these are not sent. */
  send(bytes: Buffer, end: boolean): boolean;
  giveUp(): void;
}

export interface UpstreamResponse {
  readonly head: Head;
  readonly body: Buffer;
  readonly trailers: Head | null;
}

/** There is no answer, and why, in a few words. */
export interface UpstreamFailure {
  readonly failure: string;
}
