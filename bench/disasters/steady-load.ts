// Requests at an even pace for as long as it is asked, and how many of them failed.
import { Agent, request } from 'node:http';

export interface Counted {
  readonly requests: number;
  readonly failed: number;
  /** What went wrong, each once, ten at most. */
  readonly reasons: readonly string[];
}

const PAUSE_MS = 5;
const PATIENCE_MS = 5_000;
const MOST_REASONS = 10;

export class SteadyLoad {
  readonly #port: number;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });
  readonly #timer: NodeJS.Timeout;
  readonly #reasons = new Set<string>();
  #requests = 0;
  #failed = 0;
  #underWay = 0;
  /** Of the last answer that carried it. */
  change = '';

  constructor(port: number) {
    this.#port = port;
    this.#timer = setInterval(() => this.#ask(), PAUSE_MS);
  }

  /** Since the last time, and begins anew. */
  count(): Counted {
    const counted = { requests: this.#requests, failed: this.#failed, reasons: [...this.#reasons] };
    this.#requests = this.#failed = 0;
    this.#reasons.clear();
    return counted;
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    while (this.#underWay > 0) await new Promise((resolve) => setTimeout(resolve, 20));
    this.#agent.destroy();
  }

  #ask(): void {
    this.#underWay++;
    let over = false;
    const end = (reason: string): void => {
      if (over) return;
      over = true;
      this.#underWay--;
      this.#requests++;
      if (reason === '') return;
      this.#failed++;
      if (this.#reasons.size < MOST_REASONS) this.#reasons.add(reason);
    };
    const asking = request({ host: '127.0.0.1', port: this.#port, agent: this.#agent, timeout: PATIENCE_MS });
    asking.on('timeout', () => asking.destroy(new Error(`no answer in ${PATIENCE_MS / 1000} s`)));
    asking.on('error', (error) => end(error.message));
    asking.on('response', (response) => {
      response.resume();
      response.on('error', (error) => end(error.message));
      response.on('end', () => {
        this.change = String(response.headers['x-change'] ?? '');
        end(response.statusCode === 200 ? '' : `status ${response.statusCode}`);
      });
    });
    asking.end();
  }
}
