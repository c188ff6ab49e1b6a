// What a source of configuration is to the proxy. Types only.

export interface Source {
  /** Resolves once the first configuration was proposed, or cannot come soon. Rejects when there can be none. */
  start(): Promise<void>;
  /** How it stands, for /ready and /server_info: 'files in ./config'. */
  status(): string;
  /** Makes the workload's endpoint known to others. */
  register(): Promise<void>;
  /** Takes it back. */
  unregister(): Promise<void>;
  /** Leaves discovery for good. */
  close(): Promise<void>;
}
