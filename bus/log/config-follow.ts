// Follows the configuration log: hears what the stream republishes, and reads the stream itself whenever that is not simply
// the next commit: a gap, a reconnect, another log, or silence for some seconds. Delivers in order, each commit once.
import type { Msg } from 'nats';
import type { Heads } from '../heads.ts';
import type { Link } from '../link.ts';
import type { LogNames } from '../subjects.ts';
import {
  BusUnavailableError,
  type ConfigListener,
  type ConfigState,
  type OtherLog,
  type Position,
  type Subscription,
} from '../types.ts';
import { advance, beginsAnew } from './commit-format.ts';
import { type Chain, compare } from './log-compare.ts';
import { BrokenChainError, breaks, DamagedError, GapError, type LogBounds, type LoggedCommit } from './log-entry.ts';

/** What following needs of the log. */
interface Readable extends Chain {
  bounds(): Promise<LogBounds>;
  load(known?: LogBounds): Promise<ConfigState>;
  read(from: number, to: number, before: string): AsyncGenerator<LoggedCommit>;
  decode(data: Uint8Array, headers: Msg['headers'], revision: number, time: number): Promise<LoggedCommit>;
}

interface Parts {
  readonly link: Link;
  readonly names: LogNames;
  readonly log: Readable;
  readonly heads: Pick<Heads, 'follow' | 'spreadMs'>;
  /** Without a word for this long (plus up to a quarter, so that not all ask at once) the stream is asked. */
  readonly confirmMs: number;
}

/** A commit, the whole state, or a log that is not followed. */
type News = LoggedCommit | { readonly state: ConfigState } | { readonly held: OtherLog };

/** Further behind than this, the whole state is cheaper than every step to it. */
const MAX_REPLAY = 32;
const MAX_INBOX = 64;
const RETRY_MS = 100;
const MAX_RETRY_MS = 2_000;
/** Reads that fail in a row before a log counts as damaged: history may be trimmed between two. */
const PATIENCE = 3;

/** See ConfigLog.follow. Resolves when the newest commit was delivered, however long NATS is away. */
export async function followLog(parts: Parts, from: Position | null, on: ConfigListener): Promise<Subscription> {
  const follower = new Follower(parts, from, on);
  await follower.current;
  return follower;
}

class Follower implements Subscription {
  readonly current: Promise<void>;
  readonly #parts: Parts;
  readonly #on: ConfigListener;
  readonly #stop: () => void;
  readonly #done: Promise<void>;
  /** What was delivered last; null: nothing yet. */
  #at: Position | null;
  #created = '';
  /** Whether the log may be another than the one followed so far. */
  #doubtful = true;
  /** The log that is not followed, in words; '' = this one is. */
  #held = '';
  #heldAt = 0;
  #failures = 0;
  #confirmedAt = Number.NEGATIVE_INFINITY;
  #inbox: Msg[] = [];
  #reread = true;
  #closed = false;
  #wake: () => void = () => {};
  #arrived: () => void = () => {};

  constructor(parts: Parts, from: Position | null, on: ConfigListener) {
    this.#parts = parts;
    this.#at = from;
    this.#on = on;
    const subscription = parts.link.nc.subscribe(parts.names.heard, { callback: (_, message) => this.#hear(message) });
    const forget = parts.link.onUp(() => this.#rouse());
    const unfollow = parts.heads.follow(parts.names.stream, (bounds) => this.#confirmed(bounds));
    this.#stop = () => {
      forget();
      unfollow();
      if (!subscription.isClosed()) subscription.unsubscribe();
    };
    let fail: (error: unknown) => void = () => {};
    let arrived = false;
    this.current = new Promise((resolve, reject) => {
      fail = reject;
      this.#arrived = () => {
        arrived = true;
        resolve();
      };
    });
    this.#done = this.#run();
    this.#done.then(
      () => fail(new BusUnavailableError('the bus was closed')),
      (error: unknown) => {
        fail(error);
        // Nobody waits any more: what the listener threw must not vanish.
        if (arrived) throw error;
      },
    );
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stop();
    this.#wake();
    await this.#done;
  }

  #hear(message: Msg): void {
    if (this.#inbox.length < MAX_INBOX) this.#inbox.push(message);
    else this.#reread = true;
    this.#wake();
  }

  /** One control plane has asked the stream for everybody. A log that is not followed is asked for by each itself. */
  #confirmed({ created, last }: LogBounds): void {
    if (this.#at === null || this.#held !== '') return;
    if (created === this.#created && last <= this.#at.revision) this.#confirmedAt = performance.now();
    else {
      this.#reread = true;
      this.#wake();
    }
  }

  #rouse(): void {
    this.#doubtful = true;
    this.#reread = true;
    this.#wake();
  }

  async #run(): Promise<void> {
    for (let retry = RETRY_MS; !this.#closed && !this.#parts.link.closed; ) {
      let settled = true;
      for await (const news of this.#news()) {
        if (this.#closed) break;
        if (news === null) settled = false;
        else if ('commit' in news) this.#on.commit(news.commit);
        else if ('state' in news) {
          this.#on.state(news.state);
          this.#release();
        } else this.#hold(news.held);
      }
      if (settled && !this.#reread) {
        this.#readable();
        this.#arrived();
      }
      if (settled && (this.#reread || this.#inbox.length > 0)) continue;
      retry = settled ? RETRY_MS : Math.min(retry * 2, MAX_RETRY_MS);
      await this.#wait(settled ? this.#silence() : retry, settled);
    }
    this.#stop();
  }

  /** How long nothing may be heard; in a large mesh not all ask at once then. */
  #silence(): number {
    const { confirmMs, heads } = this.#parts;
    return confirmMs + Math.random() * Math.max(confirmMs / 4, heads.spreadMs);
  }

  /** What came since, in order; null when NATS could not be asked and it has to be tried again. */
  async *#news(): AsyncGenerator<News | null> {
    try {
      while (this.#inbox.length > 0 && !this.#reread) {
        const logged = await this.#next(this.#inbox.shift()!);
        if (logged === 'gap') this.#reread = true;
        else if (logged !== 'old') yield this.#step(logged);
      }
      if (!this.#reread) return;
      this.#reread = false;
      yield* this.#missed();
    } catch (error) {
      if (!(error instanceof BusUnavailableError || error instanceof GapError)) throw error;
      this.#failed(error);
      this.#reread = true;
      yield null;
    }
  }

  async #next(message: Msg): Promise<LoggedCommit | 'old' | 'gap'> {
    const { headers } = message;
    const { stream } = this.#parts.names;
    // Something else that came on this subject: an answer that a proxy led here. What the stream stored comes after it.
    if (headers?.values('Nats-Stream').length !== 1 || headers.get('Nats-Stream') !== stream) return 'old';
    const revision = Number(headers.values('Nats-Sequence').at(-1));
    // Of a log that is not followed, every word may be the one that changes that.
    if (this.#at === null || this.#held !== '') return 'gap';
    if (revision <= this.#at.revision) return 'old';
    if (revision !== this.#at.revision + 1) return 'gap';
    const logged = await this.#parts.log.decode(message.data, message.headers, revision, Date.now());
    // What is no commit may have been forged on this subject: only the stream itself tells.
    if (logged.id !== '' && !breaks(this.#at.digest, logged)) return logged;
    this.#doubtful = true;
    return 'gap';
  }

  async *#missed(): AsyncGenerator<News> {
    const { log } = this.#parts;
    const bounds = await log.bounds();
    const at = this.#at;
    if (at === null) {
      yield this.#jump(await log.load(bounds));
      this.#created = bounds.created;
      return;
    }
    if (this.#created !== '' && bounds.created !== this.#created) this.#doubtful = true;
    const doubtful = this.#doubtful || bounds.last < at.revision || this.#held !== '';
    if (this.#held !== '' && !this.#doubtful && bounds.last === this.#heldAt) return;
    if (doubtful) {
      const other = await this.#other(at, bounds);
      if (other === 'anew') yield this.#jump(await log.load(bounds));
      else if (other !== 'same') yield { held: other };
      this.#created = bounds.created;
      this.#doubtful = other === 'anew';
      if (other !== 'same') return;
    }
    this.#created = bounds.created;
    this.#release();
    const { revision } = at;
    if (bounds.last - revision > MAX_REPLAY || (bounds.last > revision && bounds.first > revision + 1)) {
      yield this.#jump(await log.load(bounds));
      return;
    }
    try {
      for await (const logged of log.read(revision + 1, bounds.last, at.digest)) yield this.#step(logged);
    } catch (error) {
      // Replaced meanwhile: the next look compares.
      if (!(error instanceof BrokenChainError) || doubtful) throw error;
      this.#rouse();
    }
  }

  /** Whether the log has what was delivered, is one to begin anew with, or is to be told of. */
  async #other(at: Position, bounds: LogBounds): Promise<'same' | 'anew' | OtherLog> {
    const found = await compare(this.#parts.log, at, bounds);
    if (found === 'same') return 'same';
    const follows = found === 'restored' || this.#on.held === undefined;
    // One that was seen to be behind does not become right by growing.
    if (follows || (found === 'fork' && this.#held === '')) return 'anew';
    return { revision: bounds.last, reason: describe(at, bounds) };
  }

  #hold(log: OtherLog): void {
    const told = JSON.stringify(log);
    if (told === this.#held) return;
    this.#held = told;
    this.#heldAt = log.revision;
    this.#on.held?.(log);
  }

  /** What is there and cannot be read does not get better by itself, as a connection does. */
  #failed(error: Error): void {
    if (!(error instanceof GapError || error instanceof DamagedError)) return;
    if (++this.#failures === PATIENCE) this.#on.damaged?.(error.message);
  }

  #readable(): void {
    if (this.#failures >= PATIENCE) this.#on.damaged?.(null);
    this.#failures = 0;
  }

  #release(): void {
    if (this.#held === '') return;
    this.#held = '';
    this.#on.held?.(null);
  }

  #step(logged: LoggedCommit): News {
    const { commit } = logged;
    const anew = beginsAnew(this.#at!, commit);
    this.#at = advance(this.#at!, commit);
    if (!anew) return logged;
    // It is the whole configuration, and told as that.
    return { state: { ...this.#at, resources: new Map(commit.upserts.map(({ key, body }) => [key, body])) } };
  }

  #jump(state: ConfigState): { readonly state: ConfigState } {
    const { revision, digest, epoch, ancestors } = state;
    this.#at = { revision, digest, epoch, ancestors };
    // What was read may be of yet another log than its bounds: the next look verifies it.
    this.#doubtful = true;
    return { state };
  }

  /** Until something is heard, or `ms` are over; then the stream is read when `confirm` says so or a retry is due. */
  #wait(ms: number, confirm: boolean): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#wake = () => {};
        resolve();
      };
      const timer = setTimeout(() => {
        if (confirm && performance.now() - this.#confirmedAt > ms) this.#reread = true;
        done();
      }, ms);
      timer.unref();
      this.#wake = done;
      if (this.#closed) done();
    });
  }
}

function describe(at: Position, { last }: LogBounds): string {
  if (last === 0) return 'its log is empty';
  if (last < at.revision) return `its log ends at revision ${last}`;
  return `its log has another revision ${at.revision}`;
}
