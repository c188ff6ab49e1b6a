// What a change of a plugin needs of the control plane. Whoever makes one has a way to it, over HTTP or within, and hands it in.
import type { PluginKey, PluginResource } from './resource.ts';

/**
 * Every call rejects with a PluginError when the control plane refuses, or does not answer ('unreachable').
 * Digests are 'sha256:...' of the module's bytes.
 */
export interface ControlPlane {
  /** Rejects when there is none. */
  version(): Promise<unknown>;
  /** Those that fit; `revision` is the whole configuration's. */
  plugins(which: Partial<PluginKey>): Promise<{ readonly revision: number; readonly items: readonly PluginResource[] }>;
  /** One commit of one resource. Rejects with 'conflict' when the configuration is no longer at `parent`. */
  write(change: PluginWrite): Promise<{ readonly revision: number; readonly warnings: readonly string[] }>;
  /** As many revisions as are kept, `most` at most, newest first. */
  revisions(most: number): Promise<readonly number[]>;
  /** The plugin as this revision wrote it; null when it did not. */
  written(revision: number, key: PluginKey): Promise<PluginResource | null>;
  putModule(digest: string, bytes: Uint8Array): Promise<{ readonly created: boolean; readonly size: number }>;
  /** Null when it is not stored. */
  module(digest: string): Promise<Uint8Array | null>;
  modules(): Promise<readonly { readonly digest: string; readonly size: number }[]>;
  /** Resolves when every proxy runs it. Rejects when one refuses it ('refused'), or when one is silent for `ms` ('timeout'). */
  settled(revision: number, ms: number): Promise<Rollout>;
}

export interface PluginWrite {
  readonly key: PluginKey;
  /** Null removes it. */
  readonly plugin: PluginResource | null;
  readonly parent: number;
  /** For the history. */
  readonly message: string;
}

/** How a revision reached the proxies. */
export interface Rollout {
  readonly expected: number;
  readonly acked: number;
  readonly p50Ms: number | null;
  readonly maxMs: number | null;
}
