// What carries a connection whose bytes stay as they are needs of its shard. Network filters (network-filter.ts) stand in front
// of it as they stand in front of a codec. Types only.

import type { Cluster } from '../cluster/cluster.ts';
import type { ConnectionRecord } from '../exchange/record.ts';
import type { Transport } from '../transport/transport.ts';

/** What a connection that is carried as bytes asks of the data plane it arrived at. */
export interface ConnectionEnvironment {
  /** Of the snapshot that it begins with: where it goes; null: nowhere, and it is closed. */
  route(record: ConnectionRecord): Cluster | null;
  /** Opens the connection to the upstream, as transport/dial.ts does. Returns what gives up on it. */
  dial(
    address: string,
    port: number,
    connected: (transport: Transport) => void,
    failed: (text: string) => void,
  ): () => void;
  /** It is over, both ways. Bytes that came from the client and that went to it. */
  ended(record: ConnectionRecord, received: number, sent: number): void;
}
