// The WASM modules of the mesh, by digest. What no resource refers to any more, nor any revision that could come back by a
// rollback, is removed after a while.
import { digestOf } from '../bus/digest.ts';
import type { Bus, Subscription } from '../bus/types.ts';
import { moduleDigest } from '../core/config/modules.ts';
import { type Problem, type Resource, resourceKey } from '../core/config/resource.ts';
import { ApiError } from './api-error.ts';
import type { Checker } from './checker/checker.ts';
import { resourcesOf, type Store } from './store.ts';

export interface StoredModule {
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  /** ISO 8601 */
  readonly storedAt: string;
  /** Keys of the resources that run it now. */
  readonly usedBy: string[];
}

/** An upload comes before the commit that refers to it, and its author may sleep over it. */
const GRACE_MS = 24 * 3_600_000;
const SWEEP_EVERY_MS = 3_600_000;
/** Revisions whose modules are kept. */
const KEPT_REVISIONS = 200;

export class Modules {
  readonly #bus: Bus;
  readonly #store: Store;
  readonly #checker: Pick<Checker, 'describe'>;
  readonly #onLog: (line: string) => void;

  constructor(parts: {
    bus: Bus;
    store: Store;
    checker: Pick<Checker, 'describe'>;
    onLog(line: string): void;
  }) {
    this.#bus = parts.bus;
    this.#store = parts.store;
    this.#checker = parts.checker;
    this.#onLog = parts.onLog;
  }

  /** Throws ApiError: 422 when proxies would refuse it or when it has another digest, and what the bus throws. */
  async put(
    digest: string,
    bytes: Uint8Array,
    from: string,
  ): Promise<{ digest: string; size: number; created: boolean }> {
    const found = digestOf(bytes);
    if (found !== digest)
      throw new ApiError(422, `the module has the digest ${found}, not ${digest}: nothing was stored`);
    const size = bytes.length;
    if (await this.#bus.objects.has(digest)) return { digest, size, created: false };
    const refusal = await this.refusal(bytes);
    if (refusal !== null) throw new ApiError(422, `proxies would refuse this module: ${refusal}`);
    await this.#bus.objects.put(bytes);
    this.#onLog(`module ${digest} stored, ${size} bytes, from ${from}`);
    return { digest, size, created: true };
  }

  /** Why no proxy could run it; null: nothing is known against it. */
  refusal(bytes: Uint8Array): Promise<string | null> {
    return this.#checker.describe(bytes);
  }

  /** Throws ApiError 404. */
  async get(digest: string): Promise<Uint8Array> {
    const bytes = await this.#bus.objects.get(digest);
    if (bytes === null) throw new ApiError(404, `there is no module ${digest}`);
    return bytes;
  }

  has(digest: string): Promise<boolean> {
    return this.#bus.objects.has(digest);
  }

  /** An error for each resource whose module is not stored: no proxy could run it. */
  async absent(resources: readonly Resource[]): Promise<Problem[]> {
    const named = resources.flatMap((resource) => {
      const digest = moduleDigest(resource);
      return digest === null ? [] : { resource, digest };
    });
    const found = await Promise.all(named.map(({ digest }) => this.#bus.objects.has(digest)));
    return named
      .filter((_, i) => !found[i])
      .map(({ resource, digest }) => ({
        severity: 'error',
        code: 'module',
        message: `the module ${digest} is not stored: install the plugin, or PUT the module to /v1/modules first`,
        resource: resourceKey(resource),
        pointer: resource.kind === 'Plugin' ? '/spec/digest' : '/metadata/annotations',
      }));
  }

  /** Newest first. */
  async list(): Promise<StoredModule[]> {
    const users = Map.groupBy(resourcesOf(this.#store.state), moduleDigest);
    const stored = await this.#bus.objects.list();
    return stored
      .map(({ digest, size, time }) => ({
        digest,
        size,
        storedAt: time,
        usedBy: (users.get(digest) ?? []).map(resourceKey).sort(),
      }))
      .sort((a, b) => (a.storedAt < b.storedAt ? 1 : -1));
  }

  /** Sweeps now and then until it is closed. */
  keepClean(): Subscription {
    const timer = setInterval(() => {
      if (!this.#bus.connected) return;
      this.sweep().catch((error: Error) => this.#onLog(`modules were not swept: ${error.message}`));
    }, SWEEP_EVERY_MS);
    timer.unref();
    return { close: async () => clearInterval(timer) };
  }

  /** Removes modules that are older than `graceMs` and that neither the state nor a kept revision refers to. */
  async sweep(graceMs = GRACE_MS): Promise<number> {
    // In this order: a commit between the two only adds to what is kept.
    const commits = await this.#bus.config.history(KEPT_REVISIONS);
    const kept = new Set<string>();
    const keep = (resource: Resource): void => {
      const digest = moduleDigest(resource);
      if (digest !== null) kept.add(digest);
    };
    for (const { upserts } of commits) for (const { body } of upserts) keep(body as Resource);
    const oldest = commits.length === 0 ? null : await this.#bus.config.at(commits[commits.length - 1].revision);
    for (const state of [oldest, this.#store.state])
      for (const each of state?.resources.values() ?? []) keep(each as Resource);
    const removed = await this.#bus.objects.sweep(kept, graceMs);
    if (removed > 0) this.#onLog(`${removed} modules that nothing refers to were removed`);
    return removed;
  }
}
