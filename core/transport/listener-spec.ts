// A listener, to everybody who needs to know which one a connection arrived at. Types only.

/** Whether who connects has to, may or cannot speak mutual TLS: PeerAuthentication's modes. */
export type MtlsMode = 'DISABLE' | 'PERMISSIVE' | 'STRICT';

/** A listener with its real port: the main thread has bound it once, alone, to prove that the port is free. */
export interface ListenerSpec {
  readonly name: string; // 'outbound', 'inbound', '0.0.0.0_8080'
  readonly kind: 'inbound' | 'outbound' | 'gateway';
  readonly address: string;
  readonly port: number;
  /** For gateways: the port number that Gateway servers name, when another one was bound in its place. */
  readonly configuredPort: number;
  /** Of an outbound one that leads to one port of one service alone, as bytes: 'orders-db:5432'. */
  readonly upstream?: string;
}
