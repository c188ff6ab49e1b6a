// The keys of token issuers, fetched on the main thread for the shards: as many sources as this workload's policies name,
// each with the last good set, which is also kept on disk, so that tokens are verified while the issuer is down.

import { join } from 'node:path';
import { remoteKeySources } from '../builtins/authn/authn.ts';
import { isKind } from '../config/is-kind.ts';
import type { RequestAuthenticationSpec } from '../config/kinds/request-authentication.ts';
import type { Resource } from '../config/resource.ts';
import type { ToShard } from '../shard/protocol.ts';
import type { Node } from '../workload.ts';
import { KeySource, type KeySourceEnvironment } from './key-source.ts';
import type { Log } from './options.ts';
import { StateFile } from './state-file.ts';

export interface TokenKeysOptions {
  readonly node: Node;
  /** Where the sets are kept; null: nowhere. */
  readonly stateDir: string | null;
  /** Sources may lie in private networks and on this machine. */
  readonly allowPrivate: boolean;
  readonly log: Log;
  post(message: ToShard): void;
}

const FORMAT = 1;

export class TokenKeys {
  fetches = 0;
  failures = 0;
  private readonly options: TokenKeysOptions;
  private readonly environment: KeySourceEnvironment;
  private readonly file: StateFile | null;
  private readonly sources = new Map<string, KeySource>();
  /** As they were on disk, for sources that come. */
  private kept: ReadonlyMap<string, string> = new Map();
  private lastFailure = new Map<string, string>();

  constructor(options: TokenKeysOptions) {
    const { allowPrivate, stateDir, log } = options;
    this.options = options;
    this.file = stateDir === null ? null : new StateFile(join(stateDir, 'token-keys.json'), 'keys of issuers', log);
    this.environment = {
      allowPrivate,
      now: () => performance.now(),
      later(ms, run) {
        const timer = setTimeout(run, ms).unref();
        return () => clearTimeout(timer);
      },
      random: Math.random,
      fetched: (source) => this.fetched(source),
      failed: (source, why, retryInMs) => this.failed(source, why, retryInMs),
    };
  }

  /** Sources whose last fetch failed. */
  get failing(): number {
    return [...this.sources.values()].filter(({ failures }) => failures > 0).length;
  }

  /** Before the first configuration. */
  async load(): Promise<void> {
    const kept = await this.file?.load((value) => {
      const { format, sets } = value as { format: unknown; sets: unknown };
      if (format !== FORMAT || !Array.isArray(sets)) throw new Error('it is not what this version writes');
      return new Map(sets.map(({ source, keys }) => [String(source), String(keys)]));
    });
    this.kept = kept ?? new Map();
  }

  /** The running configuration has become this one. */
  follow(resources: Iterable<Resource>): void {
    const policies: Resource<RequestAuthenticationSpec>[] = [];
    for (const resource of resources) if (isKind(resource, 'RequestAuthentication')) policies.push(resource);
    const wanted = remoteKeySources(policies, this.options.node);
    for (const [url, source] of this.sources) {
      if (wanted.has(url)) continue;
      source.end();
      this.sources.delete(url);
      this.lastFailure.delete(url);
      this.options.post({ type: 'keys', source: url, keys: null });
      this.keep();
    }
    for (const [url, timeoutMs] of wanted) {
      const source = this.sources.get(url);
      if (source !== undefined) source.timeoutMs = timeoutMs;
      else this.begin(url, timeoutMs);
    }
  }

  /** What a newborn shard is told. */
  greeting(): ToShard[] {
    return [...this.sources.values()].flatMap(({ url, keys }) =>
      keys === null ? [] : [{ type: 'keys' as const, source: url, keys }],
    );
  }

  /** A shard was shown a token whose key this source does not have. */
  missing(source: string): void {
    this.sources.get(source)?.early();
  }

  async close(): Promise<void> {
    for (const source of this.sources.values()) source.end();
    await this.file?.close();
  }

  private begin(url: string, timeoutMs: number): void {
    const source = new KeySource(url, timeoutMs, this.kept.get(url) ?? null, this.environment);
    this.sources.set(url, source);
    if (source.keys !== null) this.options.post({ type: 'keys', source: url, keys: source.keys });
  }

  private fetched(source: KeySource): void {
    const { url, keys } = source;
    this.fetches++;
    const recovered = this.lastFailure.delete(url);
    this.options.log(recovered ? 'warning' : 'debug', 'tokens', `keys of ${url} are fetched`);
    this.options.post({ type: 'keys', source: url, keys });
    this.keep();
  }

  private failed({ url, keys }: KeySource, why: string, retryInMs: number): void {
    this.fetches++;
    this.failures++;
    // Said when it begins or changes, not at every attempt.
    if (this.lastFailure.get(url) === why) return;
    this.lastFailure.set(url, why);
    const meanwhile = keys === null ? 'its tokens are refused' : 'the keys that it had stay';
    const again = `tried again in ${Math.ceil(retryInMs / 1000)} s`;
    this.options.log('warning', 'tokens', `keys cannot be fetched: ${why}; ${meanwhile}, ${again}`);
  }

  private keep(): void {
    this.file?.save(() => {
      const sets = [...this.sources.values()].filter(({ keys }) => keys !== null);
      return { format: FORMAT, sets: sets.map(({ url, keys }) => ({ source: url, keys })) };
    });
  }
}
