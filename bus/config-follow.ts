// Follows the configuration log: hears what the stream republishes, and reads the stream itself whenever that is not simply
// the next commit: a gap, a reconnect, another log, or silence for some seconds. Delivers in order, each commit once.
import type { Msg } from 'nats';
import type { Link } from './link.ts';
import { GapError, type LogBounds, type LoggedCommit, type LoggedState } from './log-entry.ts';
import { CONFIG_STREAM, LOG_SUBJECT } from './subjects.ts';
import { BusUnavailableError, type Commit, type ConfigState, type Subscription } from './types.ts';

/** What following needs of the log. */
interface Readable {
  bounds(): Promise<LogBounds>;
  loadLogged(): Promise<LoggedState>;
  read(from: number, to: number): AsyncGenerator<LoggedCommit>;
  decode(data: Uint8Array, headers: Msg['headers'], revision: number, time: number): Promise<LoggedCommit>;
}

interface Parts {
  readonly link: Link;
  readonly log: Readable;
  /** Without a word for this long (plus up to a quarter, so that not all ask at once) the stream is asked. */
  readonly confirmMs: number;
}

interface Listener {
  commit(commit: Commit): void;
  state(state: ConfigState): void;
}

/** Further behind than this, the whole state is cheaper than every step to it. */
const MAX_REPLAY = 32;
const MAX_INBOX = 64;
const RETRY_MS = 100;
const MAX_RETRY_MS = 2_000;

/** See ConfigLog.follow. Resolves when the newest commit was delivered, however long NATS is away. */
export async function followLog(parts: Parts, from: number, on: Listener): Promise<Subscription> {
  const follower = new Follower(parts, from, on);
  await follower.current;
  return follower;
}

class Follower implements Subscription {
  readonly current: Promise<void>;
  readonly #parts: Parts;
  readonly #on: Listener;
  readonly #stop: () => void;
  readonly #done: Promise<void>;
  #revision: number;
  /** Digest of the last message delivered; '' when unknown. */
  #digest = '';
  #created = '';
  #inbox: Msg[] = [];
  #reread = true;
  #closed = false;
  #wake: () => void = () => {};
  #arrived: () => void = () => {};

  constructor(parts: Parts, from: number, on: Listener) {
    this.#parts = parts;
    this.#revision = from;
    this.#on = on;
    const subscription = parts.link.nc.subscribe(LOG_SUBJECT, { callback: (_, message) => this.#hear(message) });
    const forget = parts.link.onUp(() => this.#rouse());
    this.#stop = () => {
      forget();
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

  #rouse(): void {
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
        else this.#on.state(news.state);
      }
      if (settled && !this.#reread) this.#arrived();
      if (settled && (this.#reread || this.#inbox.length > 0)) continue;
      retry = settled ? RETRY_MS : Math.min(retry * 2, MAX_RETRY_MS);
      await this.#wait(settled ? this.#parts.confirmMs * (1 + Math.random() / 4) : retry, settled);
    }
    this.#stop();
  }

  /** What came since, in order; null when NATS could not be asked and it has to be tried again. */
  async *#news(): AsyncGenerator<LoggedCommit | LoggedState | null> {
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
      this.#reread = true;
      yield null;
    }
  }

  async #next(message: Msg): Promise<LoggedCommit | 'old' | 'gap'> {
    const revision = Number(message.headers?.values('Nats-Sequence').at(-1));
    if (message.headers?.values('Nats-Stream').length !== 1 || message.headers.get('Nats-Stream') !== CONFIG_STREAM) {
      return 'gap';
    }
    if (revision <= this.#revision) return 'old';
    if (revision !== this.#revision + 1) return 'gap';
    const logged = await this.#parts.log.decode(message.data, message.headers, revision, Date.now());
    // What is no commit may have been forged on this subject: only the stream itself tells.
    return logged.id === '' || this.#breaks(logged) ? 'gap' : logged;
  }

  async *#missed(): AsyncGenerator<LoggedCommit | LoggedState> {
    const { log } = this.#parts;
    const bounds = await log.bounds();
    const otherLog = this.#created !== '' && bounds.created !== this.#created;
    this.#created = bounds.created;
    const unreachable = bounds.last < this.#revision || bounds.last - this.#revision > MAX_REPLAY;
    if (otherLog || unreachable || (bounds.last > this.#revision && bounds.first > this.#revision + 1)) {
      yield this.#jump(await log.loadLogged());
      return;
    }
    for await (const logged of log.read(this.#revision + 1, bounds.last)) {
      if (this.#breaks(logged)) {
        yield this.#jump(await log.loadLogged());
        return;
      }
      yield this.#step(logged);
    }
  }

  /** Whether a commit names another parent than the one that was delivered before it. */
  #breaks(logged: LoggedCommit): boolean {
    return this.#digest !== '' && logged.parentDigest !== '' && logged.parentDigest !== this.#digest;
  }

  #step(logged: LoggedCommit): LoggedCommit {
    this.#revision = logged.commit.revision;
    this.#digest = logged.digest;
    return logged;
  }

  #jump(loaded: LoggedState): LoggedState {
    this.#revision = loaded.state.revision;
    this.#digest = loaded.digest;
    return loaded;
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
        if (confirm) this.#reread = true;
        done();
      }, ms);
      timer.unref();
      this.#wake = done;
      if (this.#closed) done();
    });
  }
}
