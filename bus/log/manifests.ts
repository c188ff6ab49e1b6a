// Full states written now and then beside the log, so that joiners need not read it from its beginning and history can end.
// What is always kept: a manifest and every commit after it.
import { headers } from 'nats';
import { purge, storeAgain } from '../jetstream.ts';
import type { Link } from '../link.ts';
import type { Objects } from '../objects.ts';
import type { LogNames } from '../subjects.ts';
import type { ConfigState, StoredResource } from '../types.ts';
import { type Manifest, readEnvelope, readManifest, type Seal, SIGNATURE_HEADER } from './commit-format.ts';
import { inlinePack, pack, stateText } from './packs.ts';

export interface HistoryLimits {
  /** A manifest after so many commits. */
  readonly manifestEvery: number;
  /** History keeps at least so many commits, while they are younger than `maxAgeMs`. */
  readonly commits: number;
  readonly maxAgeMs: number;
}

/** Packs of an apply that is still under way are referred to by nobody yet. */
const SWEEP_GRACE_MS = 3_600_000;

export class Manifests {
  readonly #link: Link;
  readonly #names: LogNames;
  readonly #objects: Objects;
  readonly #seal: Seal;
  readonly #limits: HistoryLimits;
  readonly #onProblem: (message: string) => void;
  /** Revision of the newest manifest; -1 = not asked yet. */
  #newest = -1;
  #running: Promise<void> | null = null;

  constructor(parts: {
    link: Link;
    names: LogNames;
    objects: Objects;
    seal: Seal;
    limits: HistoryLimits;
    onProblem: (message: string) => void;
  }) {
    this.#link = parts.link;
    this.#names = parts.names;
    this.#objects = parts.objects;
    this.#seal = parts.seal;
    this.#limits = parts.limits;
    this.#onProblem = parts.onProblem;
    // The NATS that came back may have other ones.
    parts.link.onUp(() => {
      this.#newest = -1;
    });
  }

  /** The newest manifest at or before a revision, of those that fit; null when there is none. */
  async newest(revision: number, fits: (manifest: Manifest) => Promise<boolean>): Promise<Manifest | null> {
    const bounds = await this.#link.stream(this.#names.manifestStream);
    if (bounds === null) return null;
    for (let seq = bounds.last; seq >= bounds.first && seq > 0; seq--) {
      const message = await this.#link.get(this.#names.manifestStream, { seq });
      const manifest = message && readManifest(message.data, message.headers, this.#seal);
      if (manifest !== null && manifest.revision <= revision && (await fits(manifest))) return manifest;
    }
    return null;
  }

  /** Writes a manifest and trims history, in the background, when enough was committed. A failure is tried again later. */
  due(revision: number, load: () => Promise<ConfigState>): void {
    if (this.#running !== null || revision - Math.max(this.#newest, 0) < this.#limits.manifestEvery) return;
    this.#running = this.#write(revision, load)
      .catch((error: unknown) => {
        this.#onProblem(`history was not trimmed: ${error instanceof Error ? error.message : String(error)}`);
      })
      .finally(() => {
        this.#running = null;
      });
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    await this.#running;
  }

  async #write(revision: number, load: () => Promise<ConfigState>): Promise<void> {
    if (this.#newest < 0) this.#newest = (await this.newest(Number.MAX_SAFE_INTEGER, async () => true))?.revision ?? 0;
    if (revision - this.#newest < this.#limits.manifestEvery) return;
    const state = await load();
    await this.write(state);
    await this.#trim(state.revision);
  }

  /** Throws BusUnavailableError, TooLargeError. */
  async write(state: ConfigState): Promise<void> {
    const manifest: Manifest = {
      v: 1,
      revision: state.revision,
      digest: state.digest,
      epoch: state.epoch,
      time: new Date().toISOString(),
      pack: await this.#objects.put(await pack(await stateText(stored(state)))),
    };
    const payload = Buffer.from(JSON.stringify(manifest));
    const head = headers();
    const signature = this.#seal.sign(payload);
    if (signature !== null) head.set(SIGNATURE_HEADER, signature);
    await storeAgain(this.#link, this.#names.manifests, payload, head);
    this.#newest = manifest.revision;
  }

  async #trim(head: number): Promise<void> {
    const bounds = await this.#link.stream(this.#names.manifestStream);
    if (bounds === null) return;
    const oldest = Date.now() - this.#limits.maxAgeMs;
    const keep = new Set<string>();
    let cut: { readonly seq: number; readonly revision: number } | null = null;
    for (let seq = bounds.last; seq >= bounds.first && seq > 0 && cut === null; seq--) {
      const message = await this.#link.get(this.#names.manifestStream, { seq });
      const manifest = message && readManifest(message.data, message.headers, this.#seal);
      if (manifest === null) continue;
      keep.add(manifest.pack);
      const old = Date.parse(manifest.time) < oldest;
      if (manifest.revision <= head - this.#limits.commits || old) cut = { seq, revision: manifest.revision };
    }
    if (cut === null) return;
    // The newest commit always stays: the compare-and-set looks at it.
    await this.purge(this.#names.stream, Math.min(cut.revision + 1, head));
    await this.purge(this.#names.manifestStream, cut.seq);
    await this.#keepPacks(keep, Math.min(cut.revision + 1, head));
    await this.#objects.sweep(keep, SWEEP_GRACE_MS);
  }

  /** Throws BusUnavailableError. */
  async purge(stream: string, before: number): Promise<void> {
    // To nats-server, "before 1" is everything (tried on 2.9).
    if (before <= 1) return;
    await purge(this.#link, stream, { seq: before });
  }

  async #keepPacks(keep: Set<string>, from: number): Promise<void> {
    const bounds = await this.#link.stream(this.#names.stream);
    for (let revision = from; revision <= (bounds?.last ?? 0); revision++) {
      const message = await this.#link.get(this.#names.stream, { seq: revision });
      const envelope = message && readEnvelope(message.data, message.headers, revision, this.#seal);
      if (envelope?.pack !== undefined && inlinePack(envelope.pack) === null) keep.add(envelope.pack);
    }
  }
}

function* stored({ resources }: ConfigState): Iterable<StoredResource> {
  for (const [key, body] of resources) yield { key, body };
}
