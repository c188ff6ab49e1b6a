// What a network filter is to a listener: it sees a connection's bytes before a codec does, and the codec's before the client
// does. core/tcp/filtered-connection.ts drives it, core/wasm implements it for proxy-wasm modules.

import type { BodyBuffer } from '../exchange/body-buffer.ts';
import type { ConnectionRecord, ExchangeRecord } from '../exchange/record.ts';
import { splitHostPort } from '../host-port.ts';
import type { ListenerSpec } from '../transport/listener-spec.ts';

/** Bytes from the client, or from the codec that stands for the upstream. */
export type Side = 'downstream' | 'upstream';

/** Who ended a connection. */
export type ClosedBy = 'unknown' | 'local' | 'remote';

/** The configured filter, one per snapshot and shard. */
export interface NetworkFilterFactory {
  readonly name: string;
  /** True: connections pass without the filter while its guest is down. Else they are refused. */
  readonly failsOpen: boolean;
  /** The filter of one connection; null: its guest is down. */
  connect(owner: ConnectionOwner): NetworkFilter | null;
}

/** One filter in one connection. Callbacks come in the order of the ABI; done() exactly once, last. */
export interface NetworkFilter {
  /** True: it may go on. */
  opened(): boolean;
  /** `data`: this chunk and what was held before it; may be spliced. True: it may go on. */
  received(side: Side, data: BodyBuffer, end: boolean): boolean;
  closed(side: Side, by: ClosedBy): void;
  /** The connection is no more (done, log, delete). */
  done(): void;
}

/** The connection, to its filter. What is asked of it begins after the callback has returned. */
export interface ConnectionOwner {
  readonly record: ConnectionRecord;
  /** What is known of it where it is carried as bytes; null: it is not yet, or its requests have records of their own. */
  readonly exchange: ExchangeRecord | null;
  /** What its filters have set, for those that come later. */
  readonly state: Map<string, Uint8Array>;
  /** Continue a side that the filter held, or the connection that it held when it was opened ('downstream'). */
  resume(side: Side): void;
  /** End the connection, after what has passed. */
  close(side: Side): void;
}

/** A filter's place in front of a listener's codec. */
export interface NetworkPlacement {
  readonly filter: NetworkFilterFactory;
  readonly kind: ListenerSpec['kind'];
  /** Port numbers as Gateway servers name them, and as services do at what leads to one of theirs; null: all of this kind. */
  readonly ports: readonly number[] | null;
  /** What the listener leads to; left out: anything. */
  readonly upstream?: string;
}

const NONE: readonly NetworkFilterFactory[] = [];

/** The filters in front of this listener, in order. */
export function networkFiltersFor(
  placements: readonly NetworkPlacement[],
  listener: ListenerSpec,
): readonly NetworkFilterFactory[] {
  if (placements.length === 0) return NONE;
  const { kind, configuredPort, upstream } = listener;
  const port = upstream === undefined ? configuredPort : splitHostPort(upstream).port;
  return placements
    .filter((placement) => placement.kind === kind && (placement.ports?.includes(port) ?? true))
    .filter((placement) => placement.upstream === undefined || placement.upstream === upstream)
    .map(({ filter }) => filter);
}
