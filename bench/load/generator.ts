// The process that generates load: `node generator.ts JSON`, of a `Task`. Prints an `Outcome` as one line of JSON.
// Open loop: a request whose time has come while no connection is free waits, and that wait is part of its latency.

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { AnswerReader } from './answer.ts';
import { Client, type ClientOwner } from './client.ts';
import type { Traffic } from './load.ts';

export interface Task {
  readonly host: string;
  readonly port: number;
  readonly traffic: Traffic;
  readonly seconds: number;
  /** null: closed loop. */
  readonly perSecond: number | null;
}

export interface Outcome {
  readonly requests: number;
  readonly seconds: number;
  readonly errors: number;
  readonly latenciesMicros: readonly number[];
  readonly lateP99Micros: number;
}

/** How long answers may take after the last request's turn has come. */
const PATIENCE_MS = 10_000;
const OPENED_AT_ONCE = 100;
const START_IN_NS = 50_000_000n;

const now = (): number => Number(process.hrtime.bigint()) / 1000;

class Generator implements ClientOwner {
  private readonly task: Task;
  private readonly free: Client[] = [];
  private readonly waiting: number[] = [];
  private readonly latencies: number[] = [];
  private readonly late: number[] = [];
  private errors = 0;
  private answered = 0;
  /** Of the first good answer; to the same question all are as long, and one that is not lacks something. */
  private bodyBytes: number | null = null;
  private stopAt = 0;
  private expected = Number.POSITIVE_INFINITY;
  private finished: () => void = () => {};
  private underWay = 0;

  constructor(task: Task) {
    this.task = task;
  }

  async run(): Promise<Outcome> {
    const { traffic, perSecond, seconds } = this.task;
    if (!traffic.fresh) await this.open(traffic.connections);
    const started = now();
    const done = new Promise<void>((resolve) => (this.finished = resolve));
    if (perSecond === null) {
      this.stopAt = started + seconds * 1e6;
      for (const client of this.free.splice(0)) this.send(client, now());
    } else this.pace(perSecond, Math.round(perSecond * seconds));
    await done;
    return {
      requests: this.answered,
      seconds: (now() - started) / 1e6,
      errors: this.errors,
      latenciesMicros: perSecond === null ? [] : this.latencies,
      lateP99Micros: this.late.toSorted((a, b) => a - b)[Math.floor(this.late.length * 0.99)] ?? 0,
    };
  }

  private async open(count: number): Promise<void> {
    for (let i = 0; i < count; i += OPENED_AT_ONCE) {
      const batch = Array.from({ length: Math.min(OPENED_AT_ONCE, count - i) }, () => this.client());
      await Promise.all(batch.map((client) => client.connect()));
      this.free.push(...batch);
    }
  }

  private client(): Client {
    const { host, port, traffic } = this.task;
    return new Client(host, port, traffic, this);
  }

  private pace(perSecond: number, count: number): void {
    const startNs = process.hrtime.bigint() + START_IN_NS;
    const start = Number(startNs) / 1000;
    this.expected = count;
    const pacer = new Worker(new URL(`./pacer${extname(import.meta.filename)}`, import.meta.url), {
      workerData: { startNs, perSecond, count },
    });
    pacer.on('message', (i: number) => {
      const due = start + (i * 1e6) / perSecond;
      this.late.push(now() - due);
      this.due(due);
      // From now on, not from when it was to be: a machine that stood still has not answered late, it has not asked.
      if (i === count - 1) setTimeout(() => this.giveUp(), PATIENCE_MS);
    });
  }

  /** Connections are used in turn, so that all of them are. */
  private due(due: number): void {
    if (this.task.traffic.fresh) {
      const client = this.client();
      this.underWay++;
      client.connect().then(
        () => client.send(due),
        () => this.onFailed(client, due),
      );
      return;
    }
    const client = this.free.shift();
    if (client === undefined) this.waiting.push(due);
    else this.send(client, due);
  }

  private send(client: Client, due: number): void {
    this.underWay++;
    client.send(due);
  }

  onAnswered(client: Client, due: number, { status, bodyBytes }: AnswerReader): void {
    this.underWay--;
    this.answered++;
    if (status < 400) this.bodyBytes ??= bodyBytes;
    if (status >= 400 || bodyBytes !== this.bodyBytes) this.errors++;
    if (this.task.perSecond !== null) this.latencies.push(Math.round(now() - due));
    if (this.task.traffic.fresh) client.close();
    else this.onFree(client);
    this.finishWhenDone();
  }

  onFailed(client: Client, due: number | null): void {
    if (due !== null) {
      this.underWay--;
      this.errors++;
      this.latencies.push(Math.round(now() - due));
    }
    const at = this.free.indexOf(client);
    if (at >= 0) this.free.splice(at, 1);
    this.finishWhenDone();
    if (this.task.traffic.fresh) return;
    // A connection that the peer closed is replaced; one that cannot be opened is an error of the next request on it.
    const next = this.client();
    next.connect().then(
      () => this.onFree(next),
      () => setTimeout(() => this.onFailed(next, null), 10),
    );
  }

  private onFree(client: Client): void {
    if (this.task.perSecond === null) {
      if (now() < this.stopAt) this.send(client, now());
      return;
    }
    const due = this.waiting.shift();
    if (due === undefined) this.free.push(client);
    else this.send(client, due);
  }

  private finishWhenDone(): void {
    const over =
      this.task.perSecond === null
        ? now() >= this.stopAt && this.underWay === 0
        : this.latencies.length >= this.expected;
    if (over) this.finished();
  }

  /** What has no answer yet has waited at least until now. */
  private giveUp(): void {
    const unanswered = this.expected - this.latencies.length;
    this.errors += unanswered;
    for (let i = 0; i < unanswered; i++) this.latencies.push(PATIENCE_MS * 1000);
    this.finished();
  }
}

const outcome = await new Generator(JSON.parse(process.argv[2]) as Task).run();
process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0));
