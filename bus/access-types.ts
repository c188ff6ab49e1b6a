// What the bus offers for the API's tokens. Types only.

/** What is kept under the name of one of the API's tokens. */
export interface AccessRecord {
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Ever larger. */
  readonly sequence: number;
}

/** One as it is stored, for a backup: the token itself is not in it. */
export interface SignedAccess {
  readonly name: string;
  /** JSON, byte for byte as a control plane signed it. */
  readonly record: string;
  /** In base64; '' where nothing is signed. */
  readonly signature: string;
}

export interface AccessListener {
  /** All that there are, at first and after every return of NATS; what is not among them is not there. */
  all(records: readonly AccessRecord[]): void;
  record(record: AccessRecord): void;
  /** When one was last used; ISO 8601. */
  used(name: string, at: string): void;
}

/** The API's tokens, for control planes. */
export interface AccessRecords {
  /** Throws BusUnavailableError. */
  get(name: string): Promise<AccessRecord | null>;
  /**
   * `after`: the sequence of the record that it takes the place of, 0 for none. False: somebody else was first. Throws
   * BusUnavailableError.
   */
  put(name: string, body: Readonly<Record<string, unknown>>, after: number): Promise<boolean>;
  /** Throws BusUnavailableError. */
  remove(name: string): Promise<void>;
  /** Says so, to whoever listens. */
  used(name: string, at: string): void;
  /** Resolves when all were told. Ends with the bus. Throws BusUnavailableError. */
  follow(on: AccessListener): Promise<void>;
}

/** The same out of a backup and into it. */
export interface AccessBackup {
  /** All that there are. Throws BusUnavailableError. */
  signed(): Promise<SignedAccess[]>;
  /**
   * 'there': one of that name is, and stays. 'foreign': it is not signed by a control plane of this mesh. Throws BusUnavailableError.
   */
  putBack(signed: SignedAccess): Promise<'restored' | 'there' | 'foreign'>;
}
