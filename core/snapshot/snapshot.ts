// Everything a request needs to know of the configuration, compiled and immutable. A request keeps the snapshot that it
// began with; a change swaps one reference. Types only.

import type { Cluster } from '../cluster/cluster.ts';
import type { ServicePlugin } from '../exchange/filter.ts';
import type { ForwardedCertificate } from '../exchange/forwarded-certificate.ts';
import type { HostTable } from '../router/hosts.ts';
import type { VirtualHost } from '../router/route.ts';
import type { NetworkPlacement } from '../tcp/network-filter.ts';
import type { TcpTable } from '../tcp/service.ts';
import type { TelemetryPlan } from '../telemetry/plan.ts';
import type { MtlsMode } from '../transport/listener-spec.ts';
import type { TlsLimits } from '../transport/tls/limits.ts';
import type { OutboundPolicy } from './scope.ts';
import type { TlsPort } from './tls-servers.ts';

export interface Snapshot {
  readonly revision: number;
  /** Another one for every snapshot of a shard: what remembers it keeps no snapshot alive. */
  readonly generation: number;
  /** The sidecar's outbound port: hosts of the mesh. */
  readonly outbound: HostTable;
  /** Where requests for hosts go that are not in it, if the proxy's Sidecar says; null: it is as the proxy was started. */
  readonly outboundPolicy: OutboundPolicy | null;
  /** Gateway servers by the port number that their Gateway names. */
  readonly gateways: ReadonlyMap<number, HostTable>;
  /** Where TLS ends at a gateway, by the port number that its Gateway names. */
  readonly tls: ReadonlyMap<number, TlsPort>;
  /** Everything that arrives at the sidecar's inbound port. Null: this proxy has no application. */
  readonly inbound: VirtualHost | null;
  /** What is carried as bytes. */
  readonly tcp: TcpTable;
  /** Whether who calls the application speaks mutual TLS. */
  readonly mtls: MtlsMode;
  /** Of mutual TLS, with both. */
  readonly meshTls: TlsLimits;
  /** What clients of a gateway begin with: a header of the PROXY protocol. */
  readonly proxyProtocol: boolean;
  /** What who is called is told of clients' certificates, at a gateway or at the application's port. */
  readonly clientCert: ForwardedCertificate;
  /** All that this shard has now: those of the newest snapshot, and what filters call. */
  readonly clusters: ReadonlyMap<string, Cluster>;
  /** Network filters and the listeners that they stand in front of, in the order of what a client sends. */
  readonly network: readonly NetworkPlacement[];
  /** Plugins that see no traffic. */
  readonly services: readonly ServicePlugin[];
  /** What the Telemetry resources say of this proxy's exchanges; null: nothing. */
  readonly telemetry: TelemetryPlan | null;
}
