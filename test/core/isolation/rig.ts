// For the tests of filters on threads of their own: a shard's side with real threads, and exchanges without sockets that
// write down what leaves their chain.

import { type FailureCode, flagBit } from '../../../core/errors.ts';
import type { Exchange } from '../../../core/exchange/exchange.ts';
import type { FilterFactory, LocalReply } from '../../../core/exchange/filter.ts';
import { FilterChain } from '../../../core/exchange/filter-chain.ts';
import { FilterManager } from '../../../core/exchange/filter-manager.ts';
import { type LocalResponse, replyResponse } from '../../../core/exchange/local-reply.ts';
import { FieldName, Head } from '../../../core/http/head.ts';
import { Isolation } from '../../../core/isolation/isolation.ts';
import { FilterThreads } from '../../../core/threads/filter-threads.ts';
import { Timers } from '../../../core/timers.ts';
import type { Upstreams } from '../../../core/wasm/abi/upstreams.ts';
import type { PluginSpec } from '../../../core/wasm/guest/spec.ts';
import { createSharedMemory, releaseDeadShard } from '../../../core/wasm/shared/shared-memory.ts';
import { fixtureFilter } from '../../filters/fixture.ts';
import { NODE, recordFor, specFor } from '../wasm/harness.ts';

const PATIENCE_MS = 30_000;

export const LABOUR = await fixtureFilter('fixtures/labour.ts');

export interface Rig {
  readonly isolation: Isolation;
  readonly filterThreads: FilterThreads;
  readonly lines: string[];
  readonly restarts: string[];
  /** Resolves when a line of the log has this in it. */
  says(text: string): Promise<void>;
  plugin(changes?: Partial<PluginSpec>, bytes?: Uint8Array): FilterFactory;
  stop(): Promise<void>;
}

export interface RigOptions {
  readonly threads?: number;
  readonly deadlineMs?: number;
  readonly upstreams?: Upstreams;
}

export function startRig({ threads = 1, deadlineMs = 1000, upstreams }: RigOptions = {}): Rig {
  const lines: string[] = [];
  const restarts: string[] = [];
  const shared = createSharedMemory(1 + threads);
  let said: (() => void)[] = [];
  const log = (level: string, _component: string, message: string): void => {
    lines.push(`${level} ${message}`);
    const woken = said;
    said = [];
    for (const wake of woken) wake();
  };
  const filterThreads = new FilterThreads({
    threads,
    deadlineMs,
    node: NODE,
    shared,
    firstSlot: 1,
    logLevel: () => 'info',
    log,
    restarted: (plugin, reason) => void restarts.push(`${plugin} ${reason}`),
    died: (slot) => void releaseDeadShard(shared, slot),
  });
  const isolation = new Isolation({
    threads,
    connect: (thread, port) => filterThreads.connect(thread, port),
    upstreams: upstreams ?? { find: () => null },
    log,
  });
  return {
    async says(text) {
      const deadline = performance.now() + PATIENCE_MS;
      while (!lines.some((line) => line.includes(text))) {
        if (performance.now() > deadline) throw new Error(`"${text}" was not said; so far: ${lines.join(' | ')}`);
        await new Promise<void>((resolve) => {
          said.push(resolve);
          setTimeout(resolve, 1000);
        });
      }
    },
    isolation,
    filterThreads,
    lines,
    restarts,
    plugin: (changes, bytes = LABOUR) => isolation.configure(specFor(bytes, { isolation: 'pool', ...changes })),
    async stop() {
      isolation.stop();
      await filterThreads.stop();
    },
  };
}

const timers = new Timers();

/** One exchange: what the chain lets out is in `out`, and whoever waits is woken by it. */
export class Visit {
  readonly out: string[] = [];
  readonly requestHead: Head;
  responseHead: Head | null = null;
  readonly shard = { timers };
  flags = 0;
  /** The peer is not read from. */
  requestPaused = false;
  responsePaused = false;
  private readonly manager: FilterManager;
  /** What filters set as properties. */
  get state(): Map<string, Uint8Array> {
    return this.manager.state;
  }
  private waiting: (() => void)[] = [];
  private over = false;

  constructor(filters: readonly FilterFactory[], fields: Readonly<Record<string, string>> = {}, method = 'POST') {
    this.requestHead = Head.request(method, 'reviews', '/reviews/0', Object.entries(fields));
    this.requestHead.contentLength = method === 'POST' ? 5 : 0;
    const { requestHead } = this;
    const record = recordFor();
    for (const [name, value] of Object.entries(record)) {
      if (!(name in this)) Object.defineProperty(this, name, { value });
    }
    this.manager = new FilterManager(this as unknown as Exchange, new FilterChain(filters));
    this.requestHead = requestHead;
  }

  /** The request's head; more follows. */
  enter(): void {
    this.manager.head('request', false);
  }

  /** The request's head, and then its body. Without chunks the head ends it. */
  begin(...chunks: string[]): this {
    this.manager.head('request', chunks.length === 0);
    for (const [i, chunk] of chunks.entries()) this.send(chunk, i === chunks.length - 1);
    return this;
  }

  send(chunk: string | Buffer, end = false): void {
    if (!this.over) this.manager.body('request', Buffer.from(chunk), end);
  }

  /** The request's trailers. */
  trail(fields: Readonly<Record<string, string>>): void {
    this.manager.trailers('request', Head.response(0, Object.entries(fields)));
  }

  answer(fields: Readonly<Record<string, string>>, ...chunks: string[]): void {
    this.responseHead = Head.response(200, Object.entries(fields));
    this.manager.head('response', chunks.length === 0);
    for (const [i, chunk] of chunks.entries()) {
      if (!this.over) this.manager.body('response', Buffer.from(chunk), i === chunks.length - 1);
    }
  }

  end(): void {
    if (this.over) return;
    this.over = true;
    this.manager.end();
  }

  header(name: string): string | undefined {
    return this.requestHead.get(new FieldName(name));
  }

  /** Resolves when a line that begins so, or in one of these ways, has left the chain. */
  async leaves(start: string | readonly string[]): Promise<string> {
    const starts = typeof start === 'string' ? [start] : start;
    const find = (): string | undefined => this.out.find((line) => starts.some((one) => line.startsWith(one)));
    await this.comes(() => find() !== undefined, `"${starts.join('" or "')}" to leave`);
    return find()!;
  }

  /** The request's body when all of it has left. */
  async body(): Promise<string> {
    return this.whole('body ');
  }

  /** The same of the response. */
  async answerBody(): Promise<string> {
    return this.whole('answer body ');
  }

  /** Resolves when the client is read from. */
  reads(): Promise<void> {
    return this.comes(() => !this.requestPaused, 'the client to be read from');
  }

  private async whole(start: string): Promise<string> {
    const lines = (): string[] => this.out.filter((line) => line.startsWith(start));
    await this.comes(() => lines().at(-1)?.endsWith(' end') === true, `the end of the ${start.trim()}`);
    return lines()
      .map((line) => line.slice(start.length).replace(/ end$/, ''))
      .join('');
  }

  private async comes(condition: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!condition()) {
      if (performance.now() > deadline)
        throw new Error(`waited for ${what}; so far: ${this.out.join(' | ').slice(0, 500)}`);
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
        setTimeout(resolve, 1000);
      });
    }
  }

  // The exchange's side of the chain.

  forward(end: boolean): void {
    this.note(`head ${show(this.requestHead)}${end ? ' end' : ''}`);
  }
  forwardData(chunk: Buffer, end: boolean): void {
    this.note(`body ${chunk}${end ? ' end' : ''}`);
  }
  forwardTrailers(trailers: Head): void {
    this.note(`trailers ${show(trailers)}`);
  }
  sendHead(head: Head, end: boolean): void {
    this.note(`answer ${head.status} ${show(head)}${end ? ' end' : ''}`);
  }
  sendTrailers(trailers: Head): void {
    this.note(`answer trailers ${show(trailers)}`);
  }
  sendData(chunk: Buffer, end: boolean): void {
    this.note(`answer body ${chunk}${end ? ' end' : ''}`);
  }
  pauseRequest(): void {
    this.requestPaused = true;
  }
  resumeRequest(): void {
    this.requestPaused = false;
    this.wake();
  }
  pauseResponse(): void {
    this.responsePaused = true;
  }
  resumeResponse(): void {
    this.responsePaused = false;
  }
  routeStale = false;
  chooseRouteAgain(): void {
    this.note('route chosen again');
  }
  cut(): void {
    this.note('cut');
    this.end();
  }
  fail(reason: FailureCode): void {
    this.note(`failed ${reason}`);
    this.end();
  }
  reply(reply: LocalReply): void {
    const { head, body, details } = replyResponse(reply, this.requestHead);
    this.note(`reply ${reply.status} ${details}`);
    this.responseHead = head;
    this.manager.head('response', body.length === 0);
    if (body.length > 0) this.manager.body('response', body, true);
  }
  replaceResponse(reply: LocalReply): LocalResponse {
    this.note(`replaced by ${reply.status}`);
    const answer = replyResponse(reply, this.requestHead);
    this.responseHead = answer.head;
    return answer;
  }

  private note(line: string): void {
    this.out.push(line);
    this.wake();
  }

  private wake(): void {
    for (const wake of this.waiting.splice(0)) wake();
  }
}

export const DELAYED = flagBit('DI');

function show(head: Head): string {
  const fields: string[] = [];
  for (let i = 0; i < head.size; i++) {
    const name = head.nameAt(i);
    if (name !== '' && name.startsWith('x-')) fields.push(`${name}=${head.valueAt(i)}`);
  }
  return `${head.method === '' ? '' : `${head.method} ${head.path} `}${head.contentLength} ${fields.join(' ')}`.trim();
}
