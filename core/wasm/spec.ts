// What a plugin is made of, as a shard is told. Types only.

export type FailStrategy = 'FAIL_CLOSE' | 'FAIL_OPEN' | 'FAIL_RELOAD';

export interface PluginSpec {
  readonly name: string;
  /** sha256 of the module's bytes; equal digests are the same code. */
  readonly digest: string;
  readonly module: WebAssembly.Module;
  /** Ours: configured in place, without a trial run on an instance of its own. */
  readonly builtin: boolean;
  readonly rootId: string;
  /** Plugins of one vm id, code and vm configuration share an instance; shared data and queues are scoped by it. */
  readonly vmId: string;
  readonly vmConfiguration: Uint8Array;
  readonly configuration: Uint8Array;
  /** WASI environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly failStrategy: FailStrategy;
}
