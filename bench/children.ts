// Every process that the benchmark starts. However it ends, none of them outlives it.

import { type ChildProcess, spawn } from 'node:child_process';

export interface Child {
  readonly pid: number;
  /** performance.now() at which it was started. */
  readonly startedAt: number;
  /** What it has printed, both streams, the last 4 KiB unless more was asked for. */
  output(): string;
  alive(): boolean;
  /** Resolves when the process is gone and all that it printed is read. */
  readonly ended: Promise<void>;
}

export class Children {
  private readonly running = new Map<number, Started>();
  private stopping = false;
  // The last resort, for an exit that nobody awaited. SIGTERM, as nginx's master takes its worker along on that only.
  private readonly onExit = (): void => {
    for (const child of this.running.values()) child.process.kill('SIGTERM');
  };

  constructor() {
    process.on('exit', this.onExit);
  }

  /**
   * Starts in the harness's own process group, so that a terminal's Ctrl-C reaches it as well. Throws once `stop` was
   * called: whoever was about to start something when the run was stopped would leave it behind.
   */
  start(command: string, args: readonly string[], environment: NodeJS.ProcessEnv = {}, keep = 4096): Child {
    if (this.stopping) throw new Error(`${command} is not started: everything is being stopped`);
    const child = new Started(command, args, environment, keep);
    this.running.set(child.pid, child);
    void child.ended.then(() => this.running.delete(child.pid));
    return child;
  }

  /** Asks one to end and waits; if it has not after `graceMs` it is killed. */
  async end({ pid }: Child, graceMs = 5000): Promise<void> {
    await this.running.get(pid)?.stop(graceMs);
  }

  /** Ends all, for good. */
  async stop(graceMs = 5000): Promise<void> {
    this.stopping = true;
    await Promise.all([...this.running.values()].map((child) => child.stop(graceMs)));
    process.off('exit', this.onExit);
  }
}

class Started implements Child {
  readonly process: ChildProcess;
  readonly pid: number;
  readonly startedAt = performance.now();
  readonly ended: Promise<void>;
  private printed = '';

  constructor(command: string, args: readonly string[], environment: NodeJS.ProcessEnv, mostKept: number) {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
    const keep = (text: Buffer | string): void => {
      this.printed = `${this.printed}${text}`.slice(-mostKept);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    this.ended = new Promise((resolve) => child.once('close', () => resolve()));
    child.once('error', (error) => keep(error.message));
    // A program that cannot be started has no process; 0 is never looked up in /proc.
    this.pid = child.pid ?? 0;
    this.process = child;
  }

  output(): string {
    return this.printed.trim();
  }

  alive(): boolean {
    const { pid, exitCode, signalCode } = this.process;
    return pid !== undefined && exitCode === null && signalCode === null;
  }

  async stop(graceMs: number): Promise<void> {
    if (!this.alive()) return;
    this.process.kill('SIGTERM');
    const late = setTimeout(() => this.process.kill('SIGKILL'), graceMs);
    await this.ended;
    clearTimeout(late);
  }
}
