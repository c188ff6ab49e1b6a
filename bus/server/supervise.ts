// Keeps the embedded nats-server alive: one that ended, or that does not answer any more, is started again on its port. A server
// whose disk was full does not recover by itself (tried: 2.9 never answers JetStream again), so it gets another start once there
// is room. Gives up only when it cannot be started.
import { statfs } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { openLink } from '../dial.ts';
import type { Link } from '../link.ts';
import { INFO_PREFIX, inboxPrefix } from '../subjects.ts';
import { BusUnavailableError } from '../types.ts';
import { fixedLogin } from '../users/login.ts';
import { type NatsServer, type NatsServerOptions, startNatsServer } from './server.ts';

export interface SupervisedOptions extends NatsServerOptions {
  /** A sentence about each end and each start. */
  onTrouble?(sentence: string): void;
  readonly patience?: Patience;
  /** Room on the disk of a folder, in bytes. */
  room?(dir: string): Promise<Room>;
}

export interface Patience {
  /** How often JetStream is asked, which is also how long it may take. */
  readonly everyMs: number;
  /** So many in a row, and it counts as gone. */
  readonly silences: number;
  /** Before the first start after an end; twice as long before each further one. */
  readonly pauseMs: number;
}

export interface Room {
  readonly free: number;
  readonly size: number;
}

export interface SupervisedServer
  extends Pick<NatsServer, 'url' | 'ca' | 'credentials' | 'version' | 'keepOut' | 'stop'> {
  /** Of the nats-server that runs now. */
  readonly pid: number;
  /** Resolves, with why, when it cannot be started any more. */
  readonly failed: Promise<string>;
  /** What is wrong with it now, as a clause, or ''. */
  trouble(): Promise<string>;
}

const PATIENCE: Patience = { everyMs: 3_000, silences: 4, pauseMs: 100 };
const MOST_PAUSE_MS = 10_000;
/** In a row. */
const MOST_FAILED_STARTS = 8;
/** One that lived so long begins with short pauses again. */
const STEADY_MS = 30_000;
/** Below this, or below a tenth of a small disk, nothing that NATS writes can be relied upon. */
const ROOM_BYTES = 512 * 1024;

/** Throws as startNatsServer does when the first start fails. */
export async function superviseNatsServer(options: SupervisedOptions): Promise<SupervisedServer> {
  const first = await startNatsServer(options);
  const supervisor = new Supervisor(first, options);
  const { url, ca, credentials, version } = first;
  return {
    ...{ url, ca, credentials, version, failed: supervisor.failed },
    get pid() {
      return supervisor.server.pid;
    },
    keepOut: (revocations) => supervisor.server.keepOut(revocations),
    trouble: () => supervisor.trouble(),
    stop: () => supervisor.stop(),
  };
}

class Supervisor {
  server: NatsServer;
  readonly failed: Promise<string>;
  readonly #options: SupervisedOptions;
  readonly #patience: Patience;
  readonly #dir: string;
  readonly #stopped = new AbortController();
  readonly #watching: Promise<void>;
  #away = '';

  constructor(server: NatsServer, options: SupervisedOptions) {
    this.server = server;
    this.#options = options;
    this.#patience = options.patience ?? PATIENCE;
    this.#dir = resolve(options.stateDir);
    const failed = Promise.withResolvers<string>();
    this.failed = failed.promise;
    this.#watching = this.#watch().then((why) => {
      if (why !== null) failed.resolve(why);
    });
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await this.#watching;
    await this.server.stop();
  }

  async trouble(): Promise<string> {
    return (await this.#full()) || this.#away;
  }

  /** Until it is stopped, which is null, or cannot be started any more. */
  async #watch(): Promise<string | null> {
    let pause = this.#patience.pauseMs;
    while (!this.#stopped.signal.aborted) {
      const began = performance.now();
      this.#away = await this.#untilTrouble();
      if (this.#away === '') return null;
      this.#tell(`${this.#away}: it is started again`);
      await this.server.stop();
      if (performance.now() - began > STEADY_MS) pause = this.#patience.pauseMs;
      const why = await this.#startAgain(pause);
      if (why !== '') return why;
      this.#away = '';
      pause = Math.min(pause * 2, MOST_PAUSE_MS);
      if (!this.#stopped.signal.aborted) this.#tell(`nats-server runs again (pid ${this.server.pid})`);
    }
    return null;
  }

  /** How the server ended or went silent, as a clause; '' once it is to be stopped. */
  async #untilTrouble(): Promise<string> {
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#stopped.signal]);
    const ended = this.server.exited.then(({ code, signal: by }) => `nats-server ended (${by ?? `exit code ${code}`})`);
    const stopped = new Promise<string>((done) => {
      this.#stopped.signal.addEventListener('abort', () => done(''), { once: true, signal: over.signal });
      if (this.#stopped.signal.aborted) done('');
    });
    try {
      return await Promise.race([ended, stopped, this.#untilSilent(signal)]);
    } finally {
      over.abort();
    }
  }

  async #untilSilent(signal: AbortSignal): Promise<string> {
    const { everyMs, silences } = this.#patience;
    let link: Link | null = null;
    try {
      for (let silent = 0; silent < silences; ) {
        await delay(everyMs, null, { signal });
        link ??= await this.#connect(signal);
        silent = link !== null && (await answers(link, everyMs)) ? 0 : silent + 1;
      }
      await this.#waitForRoom(signal);
      return 'nats-server does not answer any more';
    } catch (error) {
      if (signal.aborted) return '';
      throw error;
    } finally {
      await link?.close();
    }
  }

  /** null: it does not take connections now. */
  async #connect(signal: AbortSignal): Promise<Link | null> {
    const login = fixedLogin(this.server.credentials.control);
    const { url, ca } = this.server;
    const inbox = inboxPrefix();
    try {
      return await openLink({
        servers: [url],
        ca,
        login,
        name: 'weft watch',
        inboxPrefix: inbox,
        infoPrefix: INFO_PREFIX,
        waitMs: 0,
        signal,
      });
    } catch (error) {
      if (error instanceof BusUnavailableError) return null;
      throw error;
    }
  }

  /** '' when it runs, or is to be stopped; else why it does not. */
  async #startAgain(firstPause: number): Promise<string> {
    const { signal } = this.#stopped;
    const port = Number(new URL(this.server.url).port);
    let why = '';
    try {
      for (
        let failures = 0, pause = firstPause;
        failures < MOST_FAILED_STARTS;
        pause = Math.min(pause * 2, MOST_PAUSE_MS)
      ) {
        await this.#waitForRoom(signal);
        await delay(pause, null, { signal });
        try {
          this.server = await startNatsServer({ ...this.#options, port, signal });
          return '';
        } catch (error) {
          signal.throwIfAborted();
          // It filled up meanwhile: that is no failure of the server's.
          if ((await this.#full()) !== '') continue;
          failures++;
          why = error instanceof Error ? error.message : String(error);
          this.#tell(why);
        }
      }
      return why;
    } catch (error) {
      if (signal.aborted) return '';
      throw error;
    }
  }

  /** Resolves when the disk has room. */
  async #waitForRoom(signal: AbortSignal): Promise<void> {
    for (let told = ''; ; ) {
      const full = await this.#full();
      if (full === '') return;
      if (told === '') this.#tell(`${full}: changes can be made again once there is room`);
      told = full;
      await delay(this.#patience.everyMs, null, { signal });
    }
  }

  async #full(): Promise<string> {
    const { free, size } = await (this.#options.room ?? roomOf)(this.#dir);
    if (free >= Math.min(ROOM_BYTES, size / 10)) return '';
    return `the disk that NATS writes to (${this.#dir}) is full, ${Math.floor(free / 1024)} KiB are left`;
  }

  #tell(sentence: string): void {
    this.#options.onTrouble?.(sentence);
  }
}

async function answers(link: Link, ms: number): Promise<boolean> {
  try {
    const reply = await link.request('$JS.API.INFO', '', undefined, ms);
    return reply.json<{ error?: unknown }>().error === undefined;
  } catch (error) {
    if (error instanceof BusUnavailableError) return false;
    throw error;
  }
}

async function roomOf(dir: string): Promise<Room> {
  try {
    const { bavail, blocks, bsize } = await statfs(dir);
    return { free: bavail * bsize, size: blocks * bsize };
  } catch (error) {
    // Removed under the server: its next start makes it again.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { free: Number.POSITIVE_INFINITY, size: Number.POSITIVE_INFINITY };
  }
}
