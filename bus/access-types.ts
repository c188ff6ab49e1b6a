// What the bus offers for the API's tokens. Types only.

/** What is kept under the name of one of the API's tokens. */
export interface AccessRecord {
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
  /** Ever larger. */
  readonly sequence: number;
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
