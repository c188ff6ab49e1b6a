// The mesh of a measurement: `mesh up` as users start it, its nats-server and what that has sent, and threads of simulated proxies.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { openLink } from '../../bus/dial.ts';
import type { Link } from '../../bus/link.ts';
import { INFO_PREFIX, inboxPrefix } from '../../bus/subjects.ts';
import { accountUser, type BusKeys } from '../../bus/users/accounts.ts';
import { fixedLogin } from '../../bus/users/login.ts';
import { Api } from '../../cli/api.ts';
import { type Context, readContext } from '../../cli/context.ts';
import type { Child, Children } from '../children.ts';
import { usageAlone } from '../usage.ts';
import type { Progress, Question, Simulated } from './simulator.ts';

const ROOT = join(import.meta.dirname, '../..');
const PATIENCE_MS = 60_000;
/** Of a thread: real proxies have a heap each, and 1,500 of them in one of V8's usual size would only collect garbage. */
const THREAD_HEAP_MIB = 16_384;

/** What a process has used by now, and what nats-server has sent. */
export interface Reading {
  readonly at: number;
  readonly natsCpuMicros: number;
  readonly natsMiB: number;
  readonly controlCpuMicros: number;
  readonly controlMiB: number;
  /** Of this process, whose threads are the proxies. */
  readonly ownCpuMicros: number;
  readonly messages: number;
  readonly bytes: number;
}

export class MeasuredMesh {
  readonly api: Api;
  readonly context: Context;
  readonly #home: string;
  /** `mesh up`, to be ended by who started this. */
  readonly up: Child;
  readonly #system: Link;
  readonly #threads: Worker[] = [];

  private constructor(home: string, up: Child, context: Context, system: Link) {
    this.#home = home;
    this.up = up;
    this.context = context;
    this.api = new Api(context);
    this.#system = system;
  }

  /** Throws when it does not come up. */
  static async start(children: Children, home: string): Promise<MeasuredMesh> {
    const up = children.start(process.execPath, [join(ROOT, 'cli/mesh.ts'), 'up', '--port', '0'], { MESH_HOME: home });
    const deadline = performance.now() + PATIENCE_MS;
    while (!up.output().includes('next:')) {
      if (!up.alive() || performance.now() > deadline) throw new Error(`mesh up did not come up: ${up.output()}`);
      await delay(50);
    }
    const context = await readContext(home);
    const credentials = JSON.parse(readFileSync(join(home, 'nats/credentials.json'), 'utf8')) as Credentials;
    const system = await openLink({
      servers: context.bus.servers,
      login: fixedLogin(await accountUser(credentials.control.keys, 'system')),
      name: 'bench',
      inboxPrefix: inboxPrefix(),
      infoPrefix: INFO_PREFIX,
      waitMs: 10_000,
    });
    return new MeasuredMesh(home, up, context, system);
  }

  get natsPid(): number {
    return Number(readFileSync(join(this.#home, 'nats/nats.pid'), 'utf8'));
  }

  /** `count` more proxies, on so many threads. They join from now on. */
  addProxies(count: number, threads: number): void {
    for (let i = 0; i < threads; i++) {
      const first = Math.floor((count * i) / threads);
      const data: Simulated = { context: this.context, first, count: Math.floor((count * (i + 1)) / threads) - first };
      this.#threads.push(
        new Worker(new URL('simulator.ts', import.meta.url), {
          workerData: data,
          resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MIB },
        }),
      );
    }
  }

  async progress(revision: number): Promise<Progress> {
    const all = await Promise.all(this.#threads.map((thread) => ask(thread, { ask: 'progress', revision })));
    return {
      connected: all.reduce((sum, { connected }) => sum + connected, 0),
      running: all.reduce((sum, { running }) => sum + running, 0),
      leastEndpoints: Math.min(...all.map(({ leastEndpoints }) => leastEndpoints)),
    };
  }

  async reading(): Promise<Reading> {
    const nats = usageAlone(this.natsPid);
    const control = usageAlone(this.up.pid);
    const sent = await this.#sent();
    return {
      at: performance.now(),
      natsCpuMicros: nats.cpuMicros,
      natsMiB: nats.rssMiB,
      controlCpuMicros: control.cpuMicros,
      controlMiB: control.rssMiB,
      ownCpuMicros: usageAlone(process.pid).cpuMicros,
      ...sent,
    };
  }

  /** A crash; `mesh up` starts it again. */
  killNats(): void {
    process.kill(this.natsPid, 'SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#system.close();
    await Promise.all(this.#threads.map((thread) => ended(thread)));
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  /** Both directions. */
  async #sent(): Promise<{ messages: number; bytes: number }> {
    const reply = (await this.#system.request('$SYS.REQ.SERVER.PING', '')).json<{ statsz: Stats }>();
    const { sent, received } = reply.statsz;
    return { messages: sent.msgs + received.msgs, bytes: sent.bytes + received.bytes };
  }
}

interface Credentials {
  readonly control: { readonly keys: BusKeys };
}

interface Stats {
  readonly sent: { readonly msgs: number; readonly bytes: number };
  readonly received: { readonly msgs: number; readonly bytes: number };
}

async function ask(thread: Worker, question: Question): Promise<Progress> {
  const gone = new AbortController();
  const answered = once(thread, 'message', { signal: gone.signal });
  const ended = once(thread, 'exit', { signal: gone.signal }).then(([code]) => {
    throw new Error(`a thread of simulated proxies ended with ${code}`);
  });
  thread.postMessage(question);
  try {
    return (await Promise.race([answered, ended]))[0] as Progress;
  } finally {
    for (const left of [answered, ended]) left.catch(() => null);
    gone.abort();
  }
}

/** Proxies leave, as far as they do so soon. */
async function ended(thread: Worker): Promise<void> {
  await Promise.race([ask(thread, { ask: 'end' }), delay(10_000, null, { ref: false })]);
}
