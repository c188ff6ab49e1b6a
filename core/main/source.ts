// What a source of configuration is to the proxy. Types only.

export interface Source {
  /** Resolves once the first configuration was proposed, or cannot come soon. Rejects when there can be none. */
  start(): Promise<void>;
  /** How it stands, for /ready and /server_info: 'files in ./config'. */
  status(): string;
  /** Why what it has now is not taken, as a clause; '' = it is. */
  held(): string;
  /** The bytes of a module, or null: there is none of this digest. Rejects when it cannot be asked for now. */
  module(digest: string): Promise<Uint8Array | null>;
  /** Makes the workload's endpoint known to others. */
  register(): Promise<void>;
  /** Takes it back. */
  unregister(): Promise<void>;
  /** Leaves discovery for good. */
  close(): Promise<void>;
}
