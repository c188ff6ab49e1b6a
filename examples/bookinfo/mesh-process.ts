// The `mesh` processes of the demo: started with a channel on which they say that they are ready, ended together, and their
// words kept in a log file each.
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync } from 'node:fs';
import { extname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const MESH = fileURLToPath(new URL(`../../cli/mesh${extname(import.meta.filename)}`, import.meta.url));
const READY_MS = 60_000;
const STOP_MS = 20_000;
const LAST_LINES = 8;

export interface MeshProcess {
  readonly name: string;
  /** What it said when it was ready. */
  readonly ready: Readonly<Record<string, unknown>>;
  /** Resolves when it is gone, with a clause that says how. */
  readonly gone: Promise<string>;
  /** Ends it in order; what does not end is killed. */
  stop(): Promise<void>;
}

export class MeshProcesses {
  readonly #home: string;
  readonly #running = new Set<MeshProcess>();

  constructor(home: string) {
    this.#home = home;
    mkdirSync(join(home, 'logs'), { recursive: true, mode: 0o700 });
  }

  /** Throws an Error with its last words when it ends before it is ready. */
  async start(name: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<MeshProcess> {
    const logFile = join(this.#home, 'logs', `${name}.log`);
    const log = createWriteStream(logFile, { mode: 0o600 });
    const child = spawn(process.execPath, [MESH, ...args], {
      // Ctrl-C is for the demo to hear, which then stops everything in order.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, MESH_HOME: this.#home, ...env },
    });
    const words: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        log.write(chunk);
        words.push(
          ...chunk
            .toString()
            .split('\n')
            .filter((line) => line.trim() !== ''),
        );
        words.splice(0, words.length - LAST_LINES);
      });
    }
    const gone = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : signal));
    });
    let ready: Readonly<Record<string, unknown>> = {};
    const started: MeshProcess = {
      name,
      get ready() {
        return ready;
      },
      gone,
      stop: () => this.#stop(started, child, gone),
    };
    this.#running.add(started);
    const answer = await Promise.race([
      readiness(child),
      gone,
      delay(READY_MS, `not ready within ${READY_MS / 1000} s`, { ref: false }),
    ]);
    if (typeof answer === 'string') {
      await started.stop();
      throw new Error(`${name} did not start (${answer}):\n  ${words.join('\n  ')}\n  more in ${logFile}`);
    }
    ready = answer;
    return started;
  }

  /** Runs a command to its end. Throws an Error with what it said when it fails. */
  async run(...args: string[]): Promise<string> {
    const child = spawn(process.execPath, [MESH, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, MESH_HOME: this.#home },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`mesh ${args.join(' ')} failed with exit code ${code}: ${err.trim()}`);
    return out;
  }

  /** Resolves, with a sentence, when one of them ends by itself. */
  async firstGone(): Promise<string> {
    const all = [...this.#running];
    return Promise.race(all.map(async ({ name, gone }) => `${name} ended (${await gone})`));
  }

  /** Everything but the first, which the others need, and then the first. */
  async stop(): Promise<void> {
    const [first, ...others] = this.#running;
    await Promise.all(others.map((other) => other.stop()));
    await first?.stop();
  }

  async #stop(started: MeshProcess, child: ChildProcess, gone: Promise<string>): Promise<void> {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await gone;
    clearTimeout(timer);
    this.#running.delete(started);
  }
}

function readiness(child: ChildProcess): Promise<Readonly<Record<string, unknown>>> {
  return new Promise((resolve) => {
    child.on('message', (message) => {
      const { ready } = message as { ready?: Readonly<Record<string, unknown>> };
      if (ready !== undefined) resolve(ready);
    });
  });
}
