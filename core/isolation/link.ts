// In a shard: the channel to one thread for slow filters. It keeps count of what waits there, within limits, and sends what
// filters there ask of other services. When the thread ends, its streams go the way of their plugins, and a new channel
// waits for the thread that takes its place.

import { MessageChannel, type MessagePort } from 'node:worker_threads';

import type { Direction } from '../exchange/filter.ts';
import type { LogLevel } from '../shard/protocol.ts';
import { mayCall, nothingKnown } from '../wasm/abi/host-calls.ts';
import type { GiveUp, UpstreamFailure, UpstreamResponse, Upstreams } from '../wasm/abi/upstreams.ts';
import type { PluginSpec } from '../wasm/guest/spec.ts';
import { BatchedPort } from './batched-port.ts';
import type { Changes, FromFilterThread, ThreadStatus, ToFilterThread } from './messages.ts';
import { packWhole, unpackWhole } from './packing.ts';

/** Bytes, and events of streams, that wait for one thread on behalf of one shard. */
const MAX_WAITING_BYTES = 16 << 20;
const MAX_WAITING_EVENTS = 2048;
/** Between two log lines that say so. */
const COMPLAIN_MS = 1000;
/** Different complaints about calls that are logged, each once. */
const MAX_COMPLAINTS = 32;

type CallMessage = Extract<FromFilterThread, { type: 'call' }>;

export interface LinkEnvironment {
  readonly upstreams: Upstreams;
  /** Hands one end of a channel to the thread, which is started when it does not run. */
  connect(thread: number, port: MessagePort): void;
  /** What a thread that has just taken the place of another must know. */
  plugins(): Iterable<readonly [number, PluginSpec]>;
  /** How a plugin fares on a thread. */
  reported(thread: number, plugin: number, status: ThreadStatus): void;
  /** A thread has ended. */
  lost(thread: number): void;
  log(level: LogLevel, component: string, message: string): void;
}

/** A stream of this shard that a filter on the thread works on. */
export interface LinkedStream {
  /** The filter has looked at the event that was shown last in this direction. */
  verdict(direction: Direction, pause: boolean, changes: Changes | null): void;
  /** The filter asks for something of its own accord. */
  asked(changes: Changes): void;
  /** The thread has ended, and with it the filter. */
  threadLost(): void;
}

export class Link {
  readonly thread: number;
  readonly streams = new Map<number, LinkedStream>();
  private readonly environment: LinkEnvironment;
  private port!: BatchedPort<ToFilterThread>;
  private readonly calls = new Map<number, GiveUp>();
  private waitingBytes = 0;
  private waitingEvents = 0;
  private readonly complaints = new Set<string>();
  private complainedAt = -COMPLAIN_MS;
  private stopped = false;

  constructor(thread: number, environment: LinkEnvironment) {
    this.thread = thread;
    this.environment = environment;
    this.open();
  }

  post(message: ToFilterThread): void {
    // A body goes as it is, and not as a copy: only the thread has any use for it.
    if (message.type === 'body') this.port.hand(message.bytes);
    this.port.post(message);
  }

  /** An event of `size` bytes may be posted: it is answered by a verdict. False: too much waits there already. */
  admit(plugin: string, size: number): boolean {
    if (this.waitingBytes + size <= MAX_WAITING_BYTES && this.waitingEvents < MAX_WAITING_EVENTS) {
      this.waitingBytes += size;
      this.waitingEvents++;
      return true;
    }
    const now = performance.now();
    if (now - this.complainedAt >= COMPLAIN_MS) {
      this.complainedAt = now;
      const waiting = `${this.waitingEvents} events with ${this.waitingBytes} bytes wait for it`;
      this.environment.log('error', 'wasm', `${plugin}: pool thread ${this.thread} does not keep up: ${waiting}`);
    }
    return false;
  }

  stop(): void {
    this.stopped = true;
    this.port.close();
    this.drop();
  }

  private open(): void {
    const { port1, port2 } = new MessageChannel();
    const port = new BatchedPort<ToFilterThread>(port1);
    this.port = port;
    port1.on('message', (messages: FromFilterThread[]) => {
      if (port === this.port) for (const message of messages) this.receive(message);
    });
    port1.on('close', () => {
      if (port === this.port && !this.stopped) this.lost();
    });
    // The shard does not live for this.
    port1.unref();
    this.environment.connect(this.thread, port2);
    for (const [plugin, spec] of this.environment.plugins()) this.post({ type: 'configure', plugin, spec });
  }

  /** The thread has ended. */
  private lost(): void {
    this.port.close();
    const streams = this.drop();
    this.environment.lost(this.thread);
    this.open();
    for (const stream of streams) stream.threadLost();
  }

  private drop(): LinkedStream[] {
    const streams = [...this.streams.values()];
    this.streams.clear();
    this.waitingBytes = 0;
    this.waitingEvents = 0;
    for (const giveUp of this.calls.values()) giveUp();
    this.calls.clear();
    return streams;
  }

  private receive(message: FromFilterThread): void {
    switch (message.type) {
      case 'verdict':
        this.waitingBytes -= message.size;
        this.waitingEvents--;
        this.streams.get(message.stream)?.verdict(message.direction, message.pause, message.changes);
        return;
      case 'asked':
        this.streams.get(message.stream)?.asked(message.changes);
        return;
      case 'status':
        this.environment.reported(this.thread, message.plugin, message.status);
        return;
      case 'call':
        this.call(message);
        return;
      case 'give-up':
        this.calls.get(message.call)?.();
        this.calls.delete(message.call);
    }
  }

  private call(message: CallMessage): void {
    const { call, plugin: name, upstream, mayCall: allowed } = message;
    const by = { name, mayCall: allowed };
    const found = this.environment.upstreams.find(upstream, by);
    if (found === null) this.refuse(message, nothingKnown(upstream));
    else if (!mayCall(by, found)) this.refuse(message, `"${upstream}" is not among the upstreams of the plugin`);
    else {
      const { timeoutMs, http2 } = message;
      const request = { plugin: name, timeoutMs, http2, ...unpackWhole(message.request) };
      const giveUp = found.call(request, (outcome) => this.answer(call, outcome));
      this.calls.set(call, giveUp);
    }
  }

  /** The guest is long past its call: it hears of this as of an answer that never came. */
  private refuse({ call, plugin, http2 }: CallMessage, why: string): void {
    const complaint = `${plugin}: ${http2 ? 'proxy_grpc_call' : 'proxy_http_call'}: ${why}`;
    if (!this.complaints.has(complaint) && this.complaints.size < MAX_COMPLAINTS) {
      this.complaints.add(complaint);
      this.environment.log('warning', 'wasm', complaint);
    }
    this.post({ type: 'answer', call, outcome: { failure: why } });
  }

  private answer(call: number, outcome: UpstreamResponse | UpstreamFailure): void {
    this.calls.delete(call);
    if ('failure' in outcome) {
      this.post({ type: 'answer', call, outcome });
      return;
    }
    const packed = packWhole(outcome);
    this.port.hand(packed.body);
    this.post({ type: 'answer', call, outcome: packed });
  }
}
