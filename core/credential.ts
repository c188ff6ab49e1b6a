// Keys and certificates that configuration names and never holds: where they come from, and what they are. Types only.

/** By the name that Istio's tools show: 'kubernetes://httpbin-credential', 'file-cert:/a.pem~/b.key', 'file-root:/ca.pem', 'default'. */
export interface CredentialRef {
  readonly name: string;
  /** Paths on the proxy's machine; null: it is a secret of the proxy's namespace, or the workload's own. */
  readonly files: CredentialFiles | null;
}

export interface CredentialFiles {
  readonly cert?: string;
  readonly key?: string;
  readonly ca?: string;
  readonly crl?: string;
}

/** All of it in PEM; '' = it has none. */
export interface Credential {
  /** Its certificate first. */
  readonly cert: string;
  readonly key: string;
  /** Whose certificates count. */
  readonly ca: string;
  /** Which of these do not. */
  readonly crl: string;
}
