// In the thread: the channel of one shard, with the plugins and the streams that the shard has here, and the calls that it
// sends for them. What it posts is answered in order.

import type { MessagePort } from 'node:worker_threads';

import type { FilterFactory } from '../exchange/filter.ts';
import type { Pulse } from '../threads/pulse.ts';
import type { Timers } from '../timers.ts';
import type { GiveUp, UpstreamFailure, UpstreamRequest, UpstreamResponse } from '../wasm/abi/upstreams.ts';
import type { PluginSpec } from '../wasm/guest/spec.ts';
import { standIn } from '../wasm/guest/unavailable-filter.ts';
import { BatchedPort } from './batched-port.ts';
import { ExchangeCopy, type Outward } from './exchange.ts';
import type { Changes, FromFilterThread, Opening, StreamEvent, ThreadStatus, ToFilterThread } from './messages.ts';
import { packWhole, unpackWhole } from './packing.ts';

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
  readonly busy: Pulse;
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
  private readonly port: BatchedPort<FromFilterThread>;
  private readonly plugins = new Map<number, Resident>();
  private readonly streams = new Map<number, Open>();
  private readonly calls = new Map<number, (outcome: Outcome) => void>();
  private lastCall = 0;
  private readonly reported = new Map<number, string>();

  constructor(host: Host, port: MessagePort) {
    this.host = host;
    this.timers = host.timers;
    this.port = new BatchedPort(port);
    port.on('message', (messages: ToFilterThread[]) => this.receive(messages));
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
      this.port.post({ type: 'status', plugin, status });
    }
  }

  /** Something happened to an exchange outside of its events. */
  asked(exchange: ExchangeCopy): void {
    const changes = exchange.changes(null);
    if (changes !== null) this.port.post({ type: 'asked', stream: exchange.number, changes: this.handOver(changes) });
  }

  /** Has the shard send a request of a plugin. */
  call(
    upstream: string,
    mayCall: readonly string[] | null,
    asked: UpstreamRequest,
    done: (outcome: Outcome) => void,
  ): GiveUp {
    const call = ++this.lastCall;
    this.calls.set(call, done);
    const { plugin, timeoutMs, http2 } = asked;
    const request = packWhole(asked);
    this.port.hand(request.body);
    this.port.post({ type: 'call', call, plugin, upstream, mayCall, request, timeoutMs, http2 });
    return () => {
      if (this.calls.delete(call)) this.port.post({ type: 'give-up', call });
    };
  }

  private receive(messages: readonly ToFilterThread[]): void {
    const { host } = this;
    host.current = this;
    let flushed = performance.now();
    for (const message of messages) {
      this.handle(message);
      const now = performance.now();
      if (now - flushed < FLUSH_AFTER_MS) continue;
      flushed = now;
      this.port.flush();
    }
    this.port.flush();
    host.current = null;
  }

  private handle(message: ToFilterThread): void {
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
      case 'done': {
        const open = this.streams.get(message.stream);
        if (open === undefined) return;
        this.streams.delete(message.stream);
        host.busy.begin(open.number);
        open.exchange.done(message.facts);
        host.busy.end();
        return;
      }
      case 'answer': {
        const done = this.calls.get(message.call);
        this.calls.delete(message.call);
        host.busy.begin(0);
        done?.('failure' in message.outcome ? message.outcome : unpackWhole(message.outcome));
        host.busy.end();
        return;
      }
      default:
        this.judge(message);
    }
  }

  /** Shows an event to its filter, and answers with the verdict. */
  private judge(event: StreamEvent): void {
    const { stream, direction, size, opening } = event;
    const { exchange, number } = opening === null ? this.streams.get(stream)! : this.open(stream, opening);
    const { busy } = this.host;
    busy.begin(number);
    const pause = exchange.show(event);
    busy.end();
    const changes = exchange.changes(pause ? null : direction);
    this.port.post({
      type: 'verdict',
      stream,
      direction,
      size,
      pause,
      changes: changes === null ? null : this.handOver(changes),
    });
  }

  private open(stream: number, opening: Opening): Open {
    const { number, filter, spec } = this.plugins.get(opening.plugin)!;
    const exchange = new ExchangeCopy(stream, opening, this);
    const runs = filter !== null && !this.host.barred.has(spec.name);
    const config = opening.config === null ? null : { bytes: opening.config, patterns: [] };
    exchange.filter = runs ? filter.open(exchange, config) : standIn(exchange, spec.failStrategy);
    const open = { exchange, number };
    this.streams.set(stream, open);
    return open;
  }

  private handOver(changes: Changes): Changes {
    const { request, response } = changes;
    if (request?.body !== undefined) this.port.hand(request.body);
    if (response?.body !== undefined) this.port.hand(response.body);
    return changes;
  }
}
