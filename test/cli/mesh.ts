// Runs `mesh` for tests as a user does: a process, its output and its exit code, in a home of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

export const ROOT = join(import.meta.dirname, '..', '..');
const MESH = join(ROOT, 'cli', 'mesh.ts');

const PATIENCE_MS = 60_000;

/** What still runs. A test that fails in the middle leaves none of it behind. */
const alive = new Set<Running>();
after(async () => {
  await Promise.all([...alive].map((running) => running.stop()));
});

export interface Outcome {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly home?: string;
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly nodeArgs?: readonly string[];
  /** Of a program that runs it: 'ip netns exec NAME'. */
  readonly within?: readonly string[];
}

export function temporaryHome(): { home: string; remove(): void } {
  const home = mkdtempSync(join(tmpdir(), 'mesh-test-'));
  return { home, remove: () => rmSync(home, { recursive: true, force: true }) };
}

/** Runs a command to its end. */
export async function mesh(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = start(args, options);
  let out = '';
  let err = '';
  child.stdout?.on('data', (chunk) => {
    out += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    err += chunk;
  });
  child.stdin?.end(options.input ?? '');
  const [code, signal] = await once(child, 'close');
  return { code, signal, out, err };
}

/** A command that runs until it is stopped. `ready` is what it says on its channel; rejects with its words when it ends first. */
export class Running {
  readonly child: ChildProcess;
  readonly ready: Promise<Readonly<Record<string, unknown>>>;
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
  out = '';
  err = '';

  constructor(args: readonly string[], options: RunOptions = {}) {
    this.child = start(args, options, true);
    this.child.stdout?.on('data', (chunk) => {
      this.out += chunk;
    });
    this.child.stderr?.on('data', (chunk) => {
      this.err += chunk;
    });
    alive.add(this);
    // Not 'close': it never comes once the channel was given up.
    const ends = [once(this.child, 'exit'), once(this.child.stdout!, 'close'), once(this.child.stderr!, 'close')];
    this.ended = Promise.all(ends).then(([[code, signal]]) => {
      alive.delete(this);
      return { code, signal };
    });
    const said = new Promise<Readonly<Record<string, unknown>>>((resolve) => {
      this.child.on('message', (message) => {
        const { ready } = message as { ready?: Readonly<Record<string, unknown>> };
        if (ready !== undefined) resolve(ready);
      });
    });
    const early = this.ended.then(({ code }) => {
      throw new Error(`mesh ${args.join(' ')} ended with ${code} before it was ready:\n${this.out}${this.err}`);
    });
    this.ready = Promise.race([said, early]);
    // Who only wants its end need not ask whether it was ready.
    early.catch(() => null);
    this.ready.catch(() => null);
  }

  /** Resolves once its words so far are like `what`. Rejects when it ends before, or after a minute. */
  says(what: RegExp): Promise<void> {
    const { stdout, stderr } = this.child;
    return new Promise((resolve, reject) => {
      const over = (error?: Error): void => {
        clearTimeout(timer);
        stdout!.off('data', look);
        stderr!.off('data', look);
        if (error === undefined) resolve();
        else reject(error);
      };
      const look = (): void => {
        if (what.test(this.out + this.err)) over();
      };
      const missing = (): void => over(new Error(`nothing was said like ${what}:\n${this.out}${this.err}`));
      const timer = setTimeout(missing, PATIENCE_MS);
      stdout!.on('data', look);
      stderr!.on('data', look);
      void this.ended.then(missing);
      look();
    });
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<{ code: number | null; signal: string | null }> {
    this.child.kill(signal);
    return this.ended;
  }
}

function start(args: readonly string[], options: RunOptions, channel = false): ChildProcess {
  const env = { ...process.env, NO_COLOR: '1', NODE_TEST_CONTEXT: undefined, FORCE_COLOR: undefined, ...options.env };
  const words = [...(options.within ?? []), process.execPath, ...(options.nodeArgs ?? []), MESH, ...args];
  return spawn(words[0], words.slice(1), {
    cwd: options.cwd,
    env: options.home === undefined ? env : { ...env, MESH_HOME: options.home },
    stdio: ['pipe', 'pipe', 'pipe', ...(channel ? (['ipc'] as const) : [])],
  });
}
