// A connection without sockets, through one network plugin: what the client and the upstream say is given beforehand, and
// what would have reached the other side is kept.

import { BodyBuffer } from '../../exchange/body-buffer.ts';
import type { ConnectionRecord } from '../../exchange/record.ts';
import type { ConnectionOwner, NetworkFilter, Side } from '../../tcp/network-filter.ts';
import type { Plugin } from '../guest/plugin.ts';

export class TrialConnection implements ConnectionOwner {
  readonly record: ConnectionRecord;
  readonly exchange = null;
  readonly state = new Map<string, Uint8Array>();
  /** Bytes that went through. */
  readonly passed: Record<Side, Buffer[]> = { downstream: [], upstream: [] };
  closing = false;
  private readonly connection: NetworkFilter | null;
  private readonly held: Record<Side, BodyBuffer> = { downstream: new BodyBuffer(), upstream: new BodyBuffer() };
  private readonly paused: Record<Side, boolean> = { downstream: false, upstream: false };
  private opening = true;

  constructor(plugin: Plugin, record: ConnectionRecord) {
    this.record = record;
    this.connection = plugin.connect(this);
  }

  open(): void {
    this.opening = this.connection?.opened() !== true && this.opening;
  }

  /** True while the guest holds the connection or bytes of it. */
  get waits(): boolean {
    return !this.closing && (this.opening || this.paused.downstream || this.paused.upstream);
  }

  /** True when the connection may be used. */
  get usable(): boolean {
    return !this.opening && !this.closing && this.connection !== null;
  }

  give(side: Side, bytes: Buffer): void {
    if (!this.usable || bytes.length === 0) return;
    this.held[side].append(bytes);
    this.paused[side] = true;
    if (this.connection?.received(side, this.held[side], true) === true) this.resume(side);
  }

  resume(side: Side): void {
    if (side === 'downstream') this.opening = false;
    this.paused[side] = false;
    if (this.held[side].length > 0) this.passed[side].push(this.held[side].take());
  }

  close(): void {
    this.closing = true;
  }

  end(): void {
    this.connection?.closed('upstream', 'unknown');
    this.connection?.closed('downstream', this.closing ? 'local' : 'remote');
    this.connection?.done();
  }
}
