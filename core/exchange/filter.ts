// What a filter is to the chain. Two objects: the configured filter (a FilterFactory, frozen, one per snapshot and shard)
// and its stream (an HttpFilter, one per exchange that entered it). Types only; core/exchange/filter-manager.ts drives them,
// core/wasm implements them for proxy-wasm modules.

import type { VerifiedToken } from '../builtins/authn/verified.ts';
import type { Pattern } from '../config/regex.ts';
import type { Flag } from '../errors.ts';
import type { Head } from '../http/head.ts';
import type { BodyBuffer } from './body-buffer.ts';
import type { ExchangeRecord } from './record.ts';

/** Continue with the next filter, or hold the message until `FilterStream.resume`. A filter never holds `next`. */
export type Verdict = 'continue' | 'pause';

export type Direction = 'request' | 'response';

/** Events that somebody wants to see. */
export interface Wants {
  readonly request: { readonly head: boolean; readonly body: boolean };
  readonly response: { readonly head: boolean; readonly body: boolean };
}

export interface FilterFactory {
  /** Shown by `mesh proxy-config filters` and used by anchors: 'fault', 'rbac', a plugin's name. */
  readonly name: string;
  /** The filter manager never visits the filter for the others. */
  readonly wants: Wants;
  /** A stream of this filter for one exchange. `config`: this route's configuration for this filter, if it has one. */
  open(stream: FilterStream, config: FilterConfiguration | null): HttpFilter;
}

export interface FilterConfiguration {
  readonly bytes: Uint8Array;
  /** Regular expressions that the bytes speak of by number: compiled with them, where no request waits for it. */
  readonly patterns: readonly Pattern[];
}

/** One filter in one exchange: three verbs with a direction, in the order of the ABI; done() exactly once, last. */
export interface HttpFilter {
  head(direction: Direction, head: Head, end: boolean): Verdict;
  /** The body so far: this chunk, or after a pause all that was held since. May be spliced. */
  body(direction: Direction, body: BodyBuffer, end: boolean): Verdict;
  trailers(direction: Direction, trailers: Head): Verdict;
  /** The exchange has ended (log, done, delete). Nothing can be changed any more. */
  done(): void;
}

/** What the chain offers to a filter's stream. Effects of resume and localReply begin after the callback returned. */
export interface FilterStream {
  readonly record: ExchangeRecord;
  readonly requestHead: Head;
  readonly responseHead: Head | null;
  readonly requestTrailers: Head | null;
  readonly responseTrailers: Head | null;
  /** The body held or being passed right now in this direction, or null outside body phases. */
  body(direction: Direction): BodyBuffer | null;
  /** Continue a paused direction. No effect when it is not paused at this filter. */
  resume(direction: Direction): void;
  /**
   * In the callback that holds the request's head: its body is read here meanwhile, up to about `most` bytes. `gathered` is
   * told once, when so much is here or no more comes; `body` has it.
   */
  gather(most: number, gathered: () => void): void;
  /** Lets bytes of a body that is paused here go on before the rest of it; they are not what is held. */
  pass(direction: Direction, bytes: Buffer): void;
  /** Nothing more of this direction is read from the peer until `resumeReading`: enough of it waits here. */
  pauseReading(direction: Direction): void;
  resumeReading(direction: Direction): void;
  /** The message ends with its head, which goes on: what came of its body or comes yet is dropped here. */
  endStream(direction: Direction): void;
  /** Cut the exchange off. */
  close(direction: Direction): void;
  /** Answer here. Later filters never see the request; the filters entered so far see this response on its way back. */
  localReply(reply: LocalReply): void;
  /** Resume the request after some milliseconds; only one timer a stream. */
  resumeAfter(ms: number): void;
  /** Choose the route again after a changed head (proxy-wasm's clear_route_cache). */
  clearRouteCache(): void;
  addFlag(flag: Flag): void;
  /** Per-exchange store, readable by later filters (proxy-wasm's set_property). */
  readonly state: Map<string, Uint8Array>;
  /** The token that authn verified, for the filters behind it; null: none was there. */
  token: VerifiedToken | null;
}

export interface LocalReply {
  readonly status: number;
  /** `%RESPONSE_CODE_DETAILS%`; spaces become '_'. */
  readonly details: string;
  readonly body: Uint8Array | string;
  readonly fields: readonly (readonly [string, string])[];
  /** -1: not a gRPC answer. */
  readonly grpcStatus: number;
}

/** A plugin that is given no exchange and no connection: it lives by its timer, its queues and its calls. */
export interface ServicePlugin {
  readonly name: string;
}
