// What a listener counts of the connections that came to it, for the admin and the metrics.

export interface ListenerCounts {
  /** Mutual TLS: handshakes that were completed, and those that failed. */
  handshakes: number;
  handshakesFailed: number;
  /** Connections in plain text where that is not taken. */
  plainRefused: number;
  /** Connections that begin with no header of the PROXY protocol, where that is asked for. */
  proxyRefused: number;
  /** Connections that spoke another protocol than is declared, and when the last one did, in ms since the epoch; 0: never. */
  misdeclared: number;
  misdeclaredAt: number;
}

export function listenerCounts(): ListenerCounts {
  return { handshakes: 0, handshakesFailed: 0, plainRefused: 0, proxyRefused: 0, misdeclared: 0, misdeclaredAt: 0 };
}

export function countMisdeclared(counts: ListenerCounts): void {
  counts.misdeclared++;
  counts.misdeclaredAt = Date.now();
}
