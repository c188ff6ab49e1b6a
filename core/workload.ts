// Who runs behind a proxy: the identity and labels that routing, policy and telemetry speak of. Types only.

export interface Workload {
  /** Instance: 'reviews-v1-1'. */
  readonly name: string;
  /** Deployment-like name: 'reviews-v1'. */
  readonly workload: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly trustDomain: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** One address that serves one port of one service; registered by a lease, a WorkloadEntry or a file. */
export interface WorkloadEndpoint extends Workload {
  readonly id: string;
  /** Short or full host names of the services it belongs to by registration; label selectors may add more. */
  readonly services: readonly string[];
  /** Names in its namespace: to services of other names it does not belong, whatever its labels are. Left out: to any. */
  readonly only?: readonly string[];
  /** Where its sidecar listens (or the workload itself when it has none). */
  readonly address: string;
  readonly port: number;
  /** The port of the application, which a Service's targetPort is compared with. */
  readonly appPort: number;
  /** Of one that a WorkloadEntry describes, in place of the two: its ports by the names of the service's. */
  readonly ports?: Readonly<Record<string, number>>;
  /** A gateway's listener: `appPort` is the port that its Gateway names. */
  readonly gateway?: boolean;
  /** It takes the mesh's mutual TLS there. */
  readonly tls?: boolean;
  readonly weight: number;
  readonly locality: string;
}

/** What one proxy serves, and where its admin is ('address:port', or null). */
export interface Served {
  readonly endpoints: readonly WorkloadEndpoint[];
  /** Where shards are told only of some of them: others, which say who dials from there. */
  readonly dialling?: readonly WorkloadEndpoint[];
  readonly admin: string | null;
}

/** By what this proxy's workload is known, and whom it believes, all of it in PEM. */
export interface WorkloadIdentity {
  /** The private key. */
  readonly key: string;
  /** Its certificate first. */
  readonly chain: string;
  readonly roots: string;
  /** Proxies whose certificates of before are refused: by their marks, the era from which they count again. */
  readonly revoked: Readonly<Record<string, number>>;
}

/** This proxy's own description. */
export interface Node extends Workload {
  readonly id: string;
  readonly role: 'sidecar' | 'gateway';
  /** Of a gateway: clients use it as their HTTP proxy, too. Sidecars always are one. */
  readonly outbound?: boolean;
  /**
   * Where it listens: the workload's own loopback address, from which it dials, too; in a mesh of several machines the address of its
   * machine. '' = no address of its own, no principal.
   */
  readonly address: string;
  /** Where a sidecar's application listens, and what it speaks where it says so; null: nowhere, and for gateways. */
  readonly app: { readonly address: string; readonly port: number; readonly protocol?: string } | null;
  readonly services: readonly string[];
  /** Ports of services that it opens for its application, 'orders-db:5432': what is sent there is carried as it is. */
  readonly upstreams?: readonly string[];
}
