// Certificates of workloads and what the mesh trusts, as control planes and proxies speak of them. Types only.

/** Who asks for one, as its user of NATS says. */
export interface Asker {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The node's id. */
  readonly node: string;
}

/** What an authority answers a request for a certificate with, all of it in PEM. */
export interface SignedCertificate {
  /** The workload's, and those between it and a root. */
  readonly chain: string;
  /** Whose certificates count. */
  readonly roots: string;
  /** Of which proxies those do not that were signed before: by their marks, the era from which they do again. */
  readonly revoked: Readonly<Record<string, number>>;
  /** The version of the trust that names them. */
  readonly trust: number;
}

/** Proxies whose certificates of before `since` are refused, by their marks, and until when one may be valid. Seconds of the epoch. */
export type Revoked = Readonly<Record<string, { readonly since: number; readonly until: number }>>;

/** Whom the mesh believes, as all control planes see it. */
export interface Trust {
  /** In PEM, the oldest first. */
  readonly roots: string;
  /** SHA-256 in hex of the root below which workloads get certificates; '' = of the authority that was first. */
  readonly signing: string;
  /** The same of the intermediate below that root which signs them; '' = the one that was made with the root, or the user's own. */
  readonly intermediate: string;
  readonly revoked: Revoked;
  /** Ever larger. */
  readonly version: number;
}

/** Certificates of workloads. */
export interface Certificates {
  /**
   * For proxies: a certificate for whom their user of NATS says that they are. `csr`: a certificate signing request in PEM. Throws
   * BusUnavailableError, or an Error with the reason why there is none.
   */
  request(csr: string): Promise<SignedCertificate>;
  /** For control planes: answers proxies that ask, one of all control planes each. What `sign` rejects with is told to who asked. */
  answer(sign: (identity: Asker, csr: string) => Promise<SignedCertificate>): void;
  /**
   * For control planes: whom this mesh believes; `own` is that from now on when nobody has said so before, or when what stands there
   * is signed by no control plane but has the roots of `own`. Throws BusUnavailableError, and an Error in one sentence for other
   * roots that none has signed.
   */
  trusted(own: Omit<Trust, 'version'>): Promise<Trust>;
  /** For control planes: in place of the one of that version, and told to everybody. False: it is another one by now. */
  retrust(trust: Trust): Promise<boolean>;
  /** The version that stands now, again and again. */
  onTrust(listener: (version: number) => void): void;
}
