// What a connection can be carried to, compiled from configuration: the routes of one port, and the clusters that they lead to.
// Types only.

import type { Admission } from '../builtins/rbac/connection.ts';
import type { Observations } from '../builtins/rbac/observed.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { ConnectionFacts } from '../transport/transport.ts';

/** One port of a service, as connections are carried to it. */
export interface TcpService {
  /** As proxy-config shows it: 'orders-db.default.svc.cluster.local:5432'. */
  readonly name: string;
  /** The full host name of the service, or ''. */
  readonly service: string;
  readonly port: number;
  /** Who is led here by a name has to offer one of these (ALPN); null: nothing is asked. */
  readonly offered: readonly string[] | null;
  /** The first that matches takes the connection; none: it is closed. */
  readonly routes: readonly TcpRoute[];
}

export interface TcpRoute {
  /** 'namespace/name' of the VirtualService it comes from, or ''. */
  readonly origin: string;
  /** As proxy-config shows it; '*': every connection. */
  readonly match: string;
  matches(connection: ConnectionFacts): boolean;
  readonly targets: readonly TcpTarget[];
  readonly totalWeight: number;
}

export interface TcpTarget {
  readonly weight: number;
  /** Null: the configuration names something that is not there. */
  readonly cluster: Cluster | null;
  readonly clusterName: string;
}

/** What connections of one port are carried to. */
export interface TcpPort {
  /** By the name that a client of TLS asks for; null: nobody looks at it. */
  readonly names: ServerNames | null;
  readonly other: TcpService;
}

export interface ServerNames {
  /** Null: nothing is said of it. '': a client that names none. */
  find(serverName: string): TcpService | null;
  /** All of them, for who wants to see them. */
  readonly entries: readonly (readonly [name: string, service: TcpService])[];
}

/** What this proxy carries as bytes. */
export interface TcpTable {
  /** What arrives for the application; null: that is HTTP, or there is none. */
  readonly inbound: TcpPort | null;
  /** The same of what shows to be no HTTP, where nothing is declared; null: it is, or what guards the port is for HTTP alone. */
  readonly detected: TcpPort | null;
  /** How long who is silent may take until it counts as such; 0: for ever. */
  readonly detectMs: number;
  /** Who may connect, where connections arrive at this workload; null: everybody. */
  readonly admission: Admission | null;
  /** What policies that are not enforced would do; null: there are none. */
  readonly observations: Observations | null;
  /** By what listeners name as their upstream: 'orders-db:5432'. */
  readonly upstreams: ReadonlyMap<string, TcpPort>;
  /** Of a gateway, by the port numbers that its Gateways name. */
  readonly gateways: ReadonlyMap<number, TcpPort>;
}
