// One connection in one network plugin: the stream context that the guest knows by its number. Whoever
// moves the bytes calls it in the ABI's order; a trap in any callback is the virtual machine's affair.

import type { BodyBuffer } from '../../exchange/body-buffer.ts';
import type { ClosedBy, ConnectionOwner, NetworkFilter, Side } from '../../tcp/network-filter.ts';
import type { Ending } from '../abi/foreign.ts';
import type { ConnectionContext } from '../abi/guest.ts';
import type { Callback, Context } from './context.ts';
import type { Instance } from './instance.ts';
import type { ContextPlugin } from './opener.ts';
import { DONE_DEADLINE_MS } from './stream.ts';

type Wishes = Record<'resume' | 'close', Set<Side>>;

export class WasmConnection implements Context, ConnectionContext, NetworkFilter {
  readonly id: number;
  readonly plugin: ContextPlugin;
  /** No exchange: header maps are not there. */
  readonly stream = null;
  readonly config = null;
  readonly http = null;
  whenDone: Ending | null = null;
  readonly owner: ConnectionOwner;
  fuelSpent = 0;
  /** What passes or is held in each direction. */
  readonly data: Record<Side, BodyBuffer | null> = { downstream: null, upstream: null };
  private readonly instance: Instance;
  private wishes: Wishes | null = null;
  private created = false;
  /** The connection has ended. */
  private over = false;
  /** The guest asked for time when it ended. */
  private waits = false;

  constructor(plugin: ContextPlugin, instance: Instance, owner: ConnectionOwner) {
    this.plugin = plugin;
    this.instance = instance;
    this.owner = owner;
    this.id = instance.newId();
    instance.contexts.set(this.id, this);
  }

  get connection(): this {
    return this;
  }

  /** True: it may go on. */
  opened(): boolean {
    const { callbacks } = this.instance;
    return this.run('proxy_on_new_connection', callbacks.newConnection, this.id) === 0;
  }

  /** `data`: this chunk and what was held before it. True: it may go on. */
  received(side: Side, data: BodyBuffer, end: boolean): boolean {
    const { callbacks } = this.instance;
    const down = side === 'downstream';
    this.data[side] = data;
    const callback = down ? callbacks.downstreamData : callbacks.upstreamData;
    const name = down ? 'proxy_on_downstream_data' : 'proxy_on_upstream_data';
    return this.run(name, callback, this.id, data.length, end ? 1 : 0) === 0;
  }

  /** One side is closed. */
  closed(side: Side, by: ClosedBy): void {
    const { callbacks } = this.instance;
    const down = side === 'downstream';
    const callback = down ? callbacks.downstreamClose : callbacks.upstreamClose;
    const name = down ? 'proxy_on_downstream_connection_close' : 'proxy_on_upstream_connection_close';
    this.run(name, callback, this.id, PEERS[by]);
  }

  /** done, log, delete. A guest that is not done yet keeps its context, without the connection, until it says so. */
  done(): void {
    const { instance } = this;
    const { callbacks } = instance;
    this.over = true;
    if (!this.created || instance.dead) {
      this.release();
      return;
    }
    this.waits = callbacks.done !== null && this.run('proxy_on_done', callbacks.done, this.id) === 0;
    this.run('proxy_on_log', callbacks.log, this.id);
    if (this.waits && !instance.dead) setTimeout(() => this.finished(), DONE_DEADLINE_MS).unref();
    else this.delete();
  }

  /** The guest is done with this connection (proxy_done, or its time is over). False: nothing waited for that. */
  finished(): boolean {
    if (!this.waits) return false;
    this.waits = false;
    // After the callback in progress: the guest may still speak of this context.
    setImmediate(() => this.delete());
    return true;
  }

  private delete(): void {
    if (!this.instance.dead) this.run('proxy_on_delete', this.instance.callbacks.delete, this.id);
    this.release();
  }

  private release(): void {
    this.waits = false;
    this.data.downstream = null;
    this.data.upstream = null;
    this.instance.contexts.delete(this.id);
    if (!this.instance.dead) this.instance.served = true;
    this.plugin.streamEnded();
  }

  /** Remembers what the guest asks for until its callback has returned. */
  ask(what: keyof Wishes, side: Side): void {
    if (this.wishes === null) {
      this.wishes = { resume: new Set(), close: new Set() };
      this.instance.waiting.push(this);
    }
    this.wishes[what].add(side);
  }

  settle(): void {
    const { wishes, owner } = this;
    this.wishes = null;
    if (wishes === null || this.over) return;
    for (const side of wishes.close) owner.close(side);
    if (wishes.close.size > 0) return;
    for (const side of wishes.resume) owner.resume(side);
  }

  /** The guest has died: bytes that it has not seen may not pass, unless the filter may be missing. */
  abandon(): void {
    this.wishes = null;
    if (this.over) return;
    if (this.plugin.failsOpen) for (const side of SIDES) this.owner.resume(side);
    else this.owner.close('downstream');
  }

  /** The guest's action: 0 continues. Without a callback it continues, without a guest where that may be missing. */
  private run(name: string, callback: Callback | null, ...parameters: number[]): number {
    const { instance, plugin } = this;
    const { failsOpen } = plugin;
    if (instance.dead) return failsOpen ? 0 : 1;
    const outer = instance.begin(this);
    let action = 0;
    try {
      if (!this.created) {
        this.created = true;
        instance.callbacks.contextCreate?.(this.id, plugin.contextId);
      }
      if (callback !== null) action = callback(...parameters) ?? 0;
    } catch (error) {
      plugin.vm.trapped(instance, plugin, name, error);
      return failsOpen ? 0 : 1;
    }
    instance.end(outer);
    return action;
  }
}

const SIDES: readonly Side[] = ['downstream', 'upstream'];
/** abi: UNKNOWN, LOCAL, REMOTE. */
const PEERS: Readonly<Record<ClosedBy, number>> = { unknown: 0, local: 1, remote: 2 };
