// In the thread: the channel of one shard, with the plugins and the streams that the shard has here, and the calls that it
// sends for them. What it posts is answered in order.

import type { MessagePort } from 'node:worker_threads';

import type { FilterFactory } from '../exchange/filter.ts';
import type { Timers } from '../timers.ts';
import type { PluginSpec } from '../wasm/guest/spec.ts';
import { standIn } from '../wasm/guest/unavailable-filter.ts';
import type { GiveUp, UpstreamFailure, UpstreamRequest, UpstreamResponse } from '../wasm/guest/upstreams.ts';
import type { Busy } from './busy.ts';
import { ExchangeCopy, type Outward } from './exchange.ts';
import type { CallOutcome, FromIsolate, StreamEvent, ThreadStatus, ToIsolate } from './messages.ts';
import { ownBytes, packHead, unpackHead } from './packing.ts';

/** Answers do not wait longer than this for those of later events of the same batch. */
const FLUSH_AFTER_MS = 1;

/** A plugin that runs here, for as many shards as have asked for it. */
export interface Resident {
  readonly number: number;
  readonly spec: PluginSpec;
  /** Null: it refused its configuration. */
  readonly filter: FilterFactory | null;
  shards: number;
}

/** The thread that the channel ends in. */
export interface Host {
  readonly busy: Busy;
  readonly timers: Timers;
  readonly links: Set<ShardLink>;
  /** The channel whose message is being handled. */
  current: ShardLink | null;
  /** Names of plugins that are not to be run for now. */
  readonly barred: ReadonlySet<string>;
  admit(spec: PluginSpec): Resident;
  leave(resident: Resident): void;
  status(resident: Resident): ThreadStatus;
}

type Outcome = UpstreamResponse | UpstreamFailure;

interface Open {
  readonly exchange: ExchangeCopy;
  /** Of its plugin. */
  readonly number: number;
}

export class ShardLink implements Outward {
  readonly timers: Timers;
  private readonly host: Host;
  private readonly port: MessagePort;
  private readonly plugins = new Map<number, Resident>();
  private readonly streams = new Map<number, Open>();
  private readonly calls = new Map<number, (outcome: Outcome) => void>();
  private readonly askers = new Set<ExchangeCopy>();
  private lastCall = 0;
  private outbox: FromIsolate[] = [];
  private handed: ArrayBuffer[] = [];
  private turn: NodeJS.Immediate | null = null;
  private readonly reported = new Map<number, string>();

  constructor(host: Host, port: MessagePort) {
    this.host = host;
    this.timers = host.timers;
    this.port = port;
    port.on('message', (messages: ToIsolate[]) => this.receive(messages));
    port.on('close', () => this.close());
  }

  /** The shard is gone, and its streams and its calls with it. */
  close(): void {
    if (!this.host.links.delete(this)) return;
    this.port.close();
    for (const { exchange } of this.streams.values()) exchange.gone();
    this.streams.clear();
    for (const done of this.calls.values()) done({ failure: 'the shard that sent it is gone' });
    this.calls.clear();
    for (const resident of this.plugins.values()) this.host.leave(resident);
    this.plugins.clear();
  }

  /** Tells the shard how its plugins fare here, when that has changed. */
  report(): void {
    for (const [plugin, resident] of this.plugins) {
      const status = this.host.status(resident);
      const text = JSON.stringify(status);
      if (this.reported.get(plugin) === text) continue;
      this.reported.set(plugin, text);
      this.outbox.push({ type: 'status', plugin, status });
    }
    this.flush();
  }

  /** Something happened to an exchange outside of its events. */
  asked(exchange: ExchangeCopy): void {
    this.askers.add(exchange);
    this.flushSoon();
  }

  /** Has the shard send a request of a plugin. */
  call(
    upstream: string,
    mayCall: readonly string[] | null,
    { plugin, head, body, trailers, timeoutMs }: UpstreamRequest,
    done: (outcome: Outcome) => void,
  ): GiveUp {
    const call = ++this.lastCall;
    this.calls.set(call, done);
    this.outbox.push({
      type: 'call',
      call,
      plugin,
      upstream,
      mayCall,
      head: packHead(head),
      body: this.handOver(body),
      trailers: trailers === null ? null : packHead(trailers),
      timeoutMs,
    });
    this.flushSoon();
    return () => {
      if (!this.calls.delete(call)) return;
      this.outbox.push({ type: 'give-up', call });
      this.flushSoon();
    };
  }

  private receive(messages: readonly ToIsolate[]): void {
    const { host } = this;
    host.current = this;
    let flushed = performance.now();
    for (const message of messages) {
      this.handle(message);
      const now = performance.now();
      if (now - flushed < FLUSH_AFTER_MS) continue;
      flushed = now;
      this.flush();
    }
    this.flush();
    host.current = null;
  }

  private handle(message: ToIsolate): void {
    const { host } = this;
    switch (message.type) {
      case 'configure':
        this.plugins.set(message.plugin, host.admit(message.spec));
        return;
      case 'retire': {
        const resident = this.plugins.get(message.plugin);
        this.reported.delete(message.plugin);
        if (resident === undefined || !this.plugins.delete(message.plugin)) return;
        host.leave(resident);
        return;
      }
      case 'open': {
        const { number, filter, spec } = this.plugins.get(message.plugin)!;
        const exchange = new ExchangeCopy(message, this);
        const runs = filter !== null && !host.barred.has(spec.name);
        const config = message.config === null ? null : { bytes: message.config, patterns: [] };
        exchange.filter = runs ? filter.open(exchange, config) : standIn(exchange, spec.failStrategy);
        this.streams.set(message.stream, { exchange, number });
        return;
      }
      case 'done': {
        const open = this.streams.get(message.stream);
        if (open === undefined) return;
        this.streams.delete(message.stream);
        this.askers.delete(open.exchange);
        host.busy.begin(open.number);
        open.exchange.done(message.facts);
        host.busy.end();
        return;
      }
      case 'answer': {
        const done = this.calls.get(message.call);
        this.calls.delete(message.call);
        host.busy.begin(0);
        done?.(unpackOutcome(message.outcome));
        host.busy.end();
        return;
      }
      default:
        this.judge(message);
    }
  }

  /** Shows an event to its filter, and answers with the verdict. */
  private judge(event: StreamEvent): void {
    const { stream, direction, size } = event;
    const open = this.streams.get(stream);
    if (open === undefined) {
      this.outbox.push({ type: 'verdict', stream, direction, size, pause: false, changes: null });
      return;
    }
    const { exchange, number } = open;
    const { busy } = this.host;
    busy.begin(number);
    const pause = exchange.show(event);
    busy.end();
    this.askers.delete(exchange);
    const changes = exchange.changes(pause ? null : direction);
    this.handOverBodies(changes);
    this.outbox.push({ type: 'verdict', stream, direction, size, pause, changes });
  }

  private flushSoon(): void {
    // Within a message its end flushes.
    if (this.host.current === this || this.turn !== null) return;
    this.turn = setImmediate(() => {
      this.turn = null;
      this.flush();
    });
  }

  private flush(): void {
    for (const exchange of this.askers) {
      const changes = exchange.changes();
      if (changes === null) continue;
      this.handOverBodies(changes);
      this.outbox.push({ type: 'asked', stream: exchange.number, changes });
    }
    this.askers.clear();
    if (this.outbox.length === 0) return;
    const { outbox, handed } = this;
    this.outbox = [];
    this.handed = [];
    this.port.postMessage(outbox, handed);
  }

  private handOver(bytes: Uint8Array): Uint8Array {
    const own = ownBytes(bytes);
    this.handed.push(own.buffer);
    return own;
  }

  private handOverBodies(changes: ReturnType<ExchangeCopy['changes']>): void {
    if (changes === null) return;
    for (const body of [changes.requestBody, changes.responseBody]) {
      if (body !== null) this.handed.push(body.buffer as ArrayBuffer);
    }
  }
}

function unpackOutcome(outcome: CallOutcome): Outcome {
  if ('failure' in outcome) return outcome;
  const { head, body, trailers } = outcome;
  return {
    head: unpackHead(head),
    body: Buffer.from(body.buffer, body.byteOffset, body.length),
    trailers: trailers === null ? null : unpackHead(trailers),
  };
}
