// Secrets as the bus keeps and carries them. Types only.

/** What one is, all of it in PEM; '' = it has none. */
export interface SecretData {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
  readonly crl: string;
}

/** AES-256-GCM; all base64. */
export interface Sealed {
  readonly iv: string;
  readonly tag: string;
  readonly data: string;
}

/** What anybody may know of one who may read its namespace. */
export interface AboutSecret {
  readonly type: 'tls' | 'cacert';
  /** ISO 8601 */
  readonly changedAt: string;
  readonly changedBy: string;
  /** For whom its certificate is, and until when; null: it has none. */
  readonly identity: string;
  readonly notAfter: string | null;
  /** Who of the namespace may have it; none: every one. */
  readonly serviceAccounts: readonly string[];
}

export interface StoredSecret {
  readonly namespace: string;
  readonly name: string;
  readonly about: AboutSecret;
  readonly sealed: Sealed;
}

/** Of the asker's own namespace; its labels are its word. */
export interface AskedSecret {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** By its user of NATS. */
interface Asker {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly node: string;
}

export interface Secrets {
  /** For proxies. Null: there is none of that name. Throws BusUnavailableError, or an Error with why it may not have it. */
  request(asked: AskedSecret): Promise<SecretData | null>;
  /** For control planes: answers proxies that ask, one of all control planes each. What `give` rejects with is told to who asked. */
  answer(give: (identity: Asker, asked: AskedSecret) => Promise<SecretData | null>): void;
  /** For control planes; as all that follow, they throw BusUnavailableError. */
  get(namespace: string, name: string): Promise<StoredSecret | null>;
  all(): Promise<StoredSecret[]>;
  put(secret: StoredSecret): Promise<void>;
  remove(namespace: string, name: string): Promise<void>;
  /** By the key that every control plane of this mesh has, together with whose it is. Throws RangeError without one. */
  seal(of: Omit<StoredSecret, 'sealed'>, data: SecretData): Sealed;
  /** Null: it was sealed by another key, or for somebody else. */
  open(secret: StoredSecret): SecretData | null;
}
