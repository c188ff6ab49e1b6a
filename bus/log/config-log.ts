// The configuration as a log of commits in one JetStream stream. The revision is the stream's sequence, so it is dense, and a
// publish with the subject's expected last sequence is the compare-and-set. Only what the stream holds counts; nobody acts on less.
import { randomUUID } from 'node:crypto';
import { digestOf } from '../digest.ts';
import type { Heads } from '../heads.ts';
import type { Link } from '../link.ts';
import type { Objects } from '../objects.ts';
import type { StoredMessage } from '../stored-message.ts';
import type { LogNames } from '../subjects.ts';
import {
  BusUnavailableError,
  type Commit,
  type ConfigLog,
  type ConfigState,
  ConflictError,
  type Kinship,
  type Outline,
  type Position,
  type StoredResource,
  type Subscription,
} from '../types.ts';
import {
  applyCommit,
  type Change,
  EMPTY_STATE,
  type Envelope,
  INLINE_BYTES,
  type Manifest,
  readEnvelope,
  type Seal,
  voidCommit,
} from './commit-format.ts';
import { followLog } from './config-follow.ts';
import { compare, isSame } from './log-compare.ts';
import {
  BrokenChainError,
  breaks,
  DamagedError,
  GapError,
  type Head,
  type LogBounds,
  type LoggedCommit,
} from './log-entry.ts';
import { publishCommit } from './log-publish.ts';
import type { Manifests } from './manifests.ts';
import { changeText, inlinePack, isShort, pack, packInline, unpackChange, unpackState } from './packs.ts';

const READ_AHEAD = 16;
/** History may be trimmed between two reads; then what is there now is read. */
const MAX_READS = 5;
const MAX_TEXT = 1_000;
const NO_CHANGE: Change = { upserts: [], removals: [] };

export class NatsConfigLog implements ConfigLog {
  readonly #link: Link;
  readonly #names: LogNames;
  readonly #objects: Objects;
  readonly #manifests: Manifests;
  readonly #seal: Seal;
  readonly #heads: Heads;
  readonly #confirmMs: number;
  /** The newest commit this process has seen; saves a read before a commit. */
  #head: Head = EMPTY_STATE;

  constructor(parts: {
    link: Link;
    names: LogNames;
    objects: Objects;
    manifests: Manifests;
    seal: Seal;
    heads: Heads;
    confirmMs: number;
  }) {
    this.#link = parts.link;
    this.#names = parts.names;
    this.#objects = parts.objects;
    this.#manifests = parts.manifests;
    this.#seal = parts.seal;
    this.#heads = parts.heads;
    this.#confirmMs = parts.confirmMs;
    // The NATS that came back may have another log.
    parts.link.onUp(() => {
      this.#head = EMPTY_STATE;
    });
  }

  commit(change: Parameters<ConfigLog['commit']>[0]): Promise<Commit> {
    return this.#commit(change, null);
  }

  async restore({
    parent,
    author,
    origin,
    message,
    resources,
    at,
  }: Parameters<ConfigLog['restore']>[0]): Promise<Commit> {
    const { last } = await this.bounds();
    if (parent !== undefined && parent !== last) throw new ConflictError(parent, last);
    const before = await this.#stateOrNothing(last);
    const epoch = Math.max(Date.now(), before.epoch + 1, (at?.epoch ?? 0) + 1);
    this.#head = before;
    const whole = { parent: last, author, origin, message, upserts: resources, removals: [] };
    const commit = await this.#commit(whole, { epoch, unchanged: await isSame(bodies(resources), before.resources) });
    const state = { ...EMPTY_STATE, ...commit, ancestors: [], resources: bodies(resources) };
    // From here on nobody needs what was before.
    await this.#manifests.write(state);
    return commit;
  }

  async manifest(): Promise<ConfigState | null> {
    const manifest = await this.#manifests.newest(Number.MAX_SAFE_INTEGER, async () => true);
    return manifest && this.#unpackManifest(manifest);
  }

  async compare(at: Position): Promise<Kinship> {
    return compare(this, at, await this.bounds());
  }

  /** `anew`: the epoch that it begins, and whether with what stands. */
  async #commit(
    change: Parameters<ConfigLog['commit']>[0],
    anew: Pick<Envelope, 'epoch' | 'unchanged'> | null,
  ): Promise<Commit> {
    const { parent, origin, upserts, removals } = change;
    const time = new Date().toISOString();
    const author = change.author.slice(0, MAX_TEXT);
    const message = change.message.slice(0, MAX_TEXT);
    const head = await this.#headAt(parent);
    const { epoch, unchanged } = anew ?? (head as Pick<Envelope, 'epoch' | 'unchanged'>);
    const envelope = {
      v: 1,
      id: randomUUID(),
      parent,
      parentDigest: head.digest,
      epoch,
      time,
      author,
      origin,
      message,
      unchanged,
    } as const;
    const payload = await this.#encode(envelope, { upserts, removals });
    const revision = await publishCommit(
      { link: this.#link, names: this.#names, seal: this.#seal, log: this },
      payload,
      envelope,
    );
    const digest = digestOf(payload);
    this.#head = { revision, digest, epoch };
    const told = { revision, digest, epoch, parent, time, author, origin, message };
    const commit: Commit = { ...told, upserts, removals };
    this.#manifests.due(revision, () => this.load());
    return commit;
  }

  follow(from: Position | null, on: Parameters<ConfigLog['follow']>[1]): Promise<Subscription> {
    const [link, names, heads, confirmMs] = [this.#link, this.#names, this.#heads, this.#confirmMs];
    return followLog({ link, names, log: this, heads, confirmMs }, from, on);
  }

  async history(limit: number): Promise<Commit[]> {
    return (await this.#newest(limit, Number.POSITIVE_INFINITY, true)).map(({ commit }) => commit);
  }

  async outline(limit: number, before = Number.POSITIVE_INFINITY): Promise<Outline[]> {
    return (await this.#newest(limit, before, false)).map(({ commit, counts }) => ({ ...commit, ...counts }));
  }

  async #newest(limit: number, before: number, bodies: boolean): Promise<LoggedCommit[]> {
    for (let from = 1; ; ) {
      const { first, last } = await this.bounds();
      const end = Math.min(last, before - 1);
      const found: LoggedCommit[] = [];
      try {
        const begin = Math.max(first, end - limit + 1, from);
        for await (const logged of this.read(begin, end, '', bodies)) found.push(logged);
        return found.reverse();
      } catch (error) {
        // Trimmed meanwhile, or damaged: it begins behind that. A commit that is no child of the one before it begins it.
        if (error instanceof GapError) from = error.revision + 1;
        else if (error instanceof BrokenChainError) from = error.revision;
        else throw error;
      }
    }
  }

  async get(revision: number): Promise<Commit | null> {
    if (revision < 1) return null;
    const reading = this.#link.get(this.#names.stream, { seq: revision });
    return (await this.#entry(revision, reading, '', true))?.commit ?? null;
  }

  async at(revision: number): Promise<ConfigState | null> {
    if (revision === 0) return EMPTY_STATE;
    const bounds = await this.bounds();
    if (revision < 0 || revision > bounds.last) return null;
    try {
      const base = await this.#base(revision, bounds);
      return base && (await this.#replay(base, revision));
    } catch (error) {
      if (error instanceof GapError) return null;
      throw error;
    }
  }

  async bounds(): Promise<LogBounds> {
    const bounds = await this.#link.stream(this.#names.stream);
    if (bounds === null)
      throw new BusUnavailableError('NATS has no configuration log yet: the control plane has not run');
    return bounds;
  }

  /** The newest state, from the newest manifest and the commits after it. `known`: where the log stands, as it was just asked. */
  async load(known?: LogBounds): Promise<ConfigState> {
    for (let attempt = 1; ; attempt++) {
      const bounds = attempt === 1 && known !== undefined ? known : await this.bounds();
      const { last } = bounds;
      try {
        const base = await this.#base(last, bounds);
        if (base === null) throw new GapError(1);
        const loaded = await this.#replay(base, last);
        const { digest, epoch } = loaded;
        if (last >= this.#head.revision) this.#head = { revision: last, digest, epoch };
        return loaded;
      } catch (error) {
        // History was swept between two reads: what is there now reaches.
        if (!(error instanceof GapError) || attempt === MAX_READS) throw error;
      }
    }
  }

  /**
   * Commits `from`..`to` in order, each the child of the one before it; `before`: the digest of the first one's parent, if that is
   * known. Without `bodies` those of large ones are left out. Throws GapError when one is no longer there, BrokenChainError when the
   * stream's leader has another chain, too.
   */
  async *read(from: number, to: number, before: string, bodies = true): AsyncGenerator<LoggedCommit> {
    const ahead: Promise<StoredMessage | null>[] = [];
    for (let next = from, revision = from, parent = before; revision <= to; revision++) {
      while (next <= to && ahead.length < READ_AHEAD) {
        const reading = this.#link.get(this.#names.stream, { seq: next++ });
        // Whoever stops early leaves reads behind; the one that is awaited below still throws.
        reading.catch(() => {});
        ahead.push(reading);
      }
      const logged = await this.#entry(revision, ahead.shift()!, parent, bodies);
      if (logged === null) throw new GapError(revision);
      if (breaks(parent, logged)) throw new BrokenChainError(revision);
      parent = logged.commit.digest;
      yield logged;
    }
  }

  /**
   * What one copy of the stream says, unless that is no child of its parent: a copy can be wrong, so its leader is asked then. null:
   * it is not there.
   */
  async #entry(
    revision: number,
    reading: Promise<StoredMessage | null>,
    parent: string,
    bodies: boolean,
  ): Promise<LoggedCommit | null> {
    const found = await this.#decoded(revision, await reading, bodies);
    if (found !== null && found.id !== '' && !breaks(parent, found)) return found;
    if (!this.#link.clustered) return found;
    return this.#decoded(revision, await this.#link.leading(this.#names.stream, { seq: revision }), bodies);
  }

  async #decoded(revision: number, message: StoredMessage | null, bodies: boolean): Promise<LoggedCommit | null> {
    if (message === null || message.sequence !== revision) return null;
    return this.decode(message.data, message.headers, revision, message.time, bodies);
  }

  /** A message of the stream as the commit it is. Fetches the pack of a large one, unless its counts are enough. */
  async decode(
    data: Uint8Array,
    messageHeaders: StoredMessage['headers'],
    revision: number,
    time: number,
    bodies = true,
  ): Promise<LoggedCommit> {
    const digest = digestOf(data);
    const envelope = readEnvelope(data, messageHeaders, revision, this.#seal);
    if (envelope === null) {
      const commit = voidCommit(revision, digest, new Date(time).toISOString());
      return { commit, counts: { upserts: 0, removals: 0 }, parentDigest: '', id: '' };
    }
    const { unchanged } = envelope;
    const outlined = bodies && unchanged !== true ? undefined : envelope.counts;
    const { upserts, removals } =
      outlined === undefined ? (envelope.change ?? (await this.#unpack(envelope.pack!, revision))) : NO_CHANGE;
    const counts = outlined ?? { upserts: upserts.length, removals: removals.length };
    const { id, parentDigest, parent, epoch, author, origin, message } = envelope;
    const told = { revision, digest, epoch, parent, time: envelope.time, author, origin, message };
    return { commit: { ...told, unchanged, upserts, removals }, counts, parentDigest, id };
  }

  /** Of the message of a revision, by the word of the stream's leader; null when the log does not have it. */
  async mark(revision: number): Promise<Head | null> {
    const message = revision < 1 ? null : await this.message(revision);
    if (message === null) return null;
    const { data, headers: signed } = message;
    const epoch = readEnvelope(data, signed, revision, this.#seal)?.epoch;
    // What is no commit has none: the state before it tells.
    return { revision, digest: digestOf(data), epoch: epoch ?? (await this.at(revision))?.epoch ?? 0 };
  }

  /** By the word of the stream's leader. */
  message(seq: number): Promise<StoredMessage | null> {
    const { stream } = this.#names;
    return this.#link.clustered ? this.#link.leading(stream, { seq }) : this.#link.get(stream, { seq });
  }

  async #unpack(packed: string, revision: number): Promise<Change> {
    const inline = inlinePack(packed);
    if (inline !== null) {
      return unpackChange(inline).catch((error: Error) => {
        throw new DamagedError(`the change of revision ${revision} does not come back as it was: ${error.message}`);
      });
    }
    const bytes = await this.#objects.get(packed);
    if (bytes === null) throw new GapError(revision);
    return unpackChange(bytes);
  }

  async #base(revision: number, { first }: LogBounds): Promise<ConfigState | null> {
    // One that another log left behind has a commit of its number here that is not its own.
    const manifest = await this.#manifests.newest(revision, async (each) => {
      const message = await this.message(each.revision);
      return message === null || digestOf(message.data) === each.digest;
    });
    if (manifest !== null) return this.#unpackManifest(manifest);
    return first > 1 ? null : EMPTY_STATE;
  }

  async #unpackManifest({ revision, digest, epoch, pack: packed }: Manifest): Promise<ConfigState> {
    const bytes = await this.#objects.get(packed);
    if (bytes === null) throw new GapError(revision);
    return { revision, digest, epoch, ancestors: [], resources: await unpackState(bytes) };
  }

  async #replay(base: ConfigState, to: number): Promise<ConfigState> {
    let state = base;
    for await (const { commit } of this.read(base.revision + 1, to, base.digest)) state = applyCommit(state, commit);
    return state;
  }

  /**
   * What cannot be read is not needed by who brings the whole configuration, and goes: nats-server does not read what it writes
   * behind a damaged message either (tried on 2.9). Numbers go on.
   */
  async #stateOrNothing(last: number): Promise<ConfigState> {
    try {
      const state = await this.load();
      if (state.revision === last) return state;
    } catch (error) {
      if (!(error instanceof GapError || error instanceof DamagedError)) throw error;
      await this.#manifests.purge(this.#names.stream, last + 1);
    }
    return { ...EMPTY_STATE, revision: last };
  }

  async #headAt(revision: number): Promise<Head> {
    if (revision === 0) return EMPTY_STATE;
    if (this.#head.revision === revision) return this.#head;
    const head = await this.mark(revision);
    if (head === null) throw new ConflictError(revision, (await this.bounds()).last);
    return head;
  }

  async #encode(envelope: Envelope, change: Change): Promise<Buffer> {
    const json = await changeText(change);
    const limit = Math.min(INLINE_BYTES, (this.#link.nc.info?.max_payload ?? INLINE_BYTES) / 2);
    const counts = { upserts: change.upserts.length, removals: change.removals.length };
    // What nearly everybody has is not sent to everybody.
    if (json.byteLength <= limit && envelope.unchanged !== true) {
      const own = isShort(json) ? { change } : { pack: await packInline(json), counts };
      const inline = Buffer.from(JSON.stringify({ ...envelope, ...own }));
      if (inline.byteLength <= limit) return inline;
    }
    return Buffer.from(JSON.stringify({ ...envelope, pack: await this.#objects.put(await pack(json)), counts }));
  }
}

function bodies(resources: readonly StoredResource[]): Map<string, unknown> {
  return new Map(resources.map(({ key, body }) => [key, body]));
}
