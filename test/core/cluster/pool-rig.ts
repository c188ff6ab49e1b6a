// What the pool's tests share: connections without sockets, and a pool whose dialling and clock are the test's.

import assert from 'node:assert/strict';
import { Cluster, type ClusterPolicy, type ClusterSpec, DEFAULT_POLICY } from '../../../core/cluster/cluster.ts';
import { Endpoint } from '../../../core/cluster/endpoint.ts';
import type { LimitSource } from '../../../core/cluster/limits.ts';
import type { Waiter } from '../../../core/cluster/pool.ts';
import type { ClientConnection } from '../../../core/http/codec.ts';
import { Timers } from '../../../core/timers.ts';

/** A connection without a socket, for so many streams at a time: the pool is about when, not about bytes. */
export class Wire implements ClientConnection {
  activeStreams = 0;
  destroyed = false;
  onAvailable: (() => void) | null = null;
  onDraining: (() => void) | null = null;
  onClosed: (() => void) | null = null;
  private streams: number;

  constructor(streams = 1) {
    this.streams = streams;
  }

  get capacity(): number {
    return this.destroyed ? 0 : Math.max(0, this.streams - this.activeStreams);
  }

  open(): never {
    throw new Error('the pool opens no stream');
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.onClosed?.();
  }

  /** A stream begins, and ends. */
  busy(): void {
    assert.ok(this.capacity > 0, 'a connection was given more streams than it has room for');
    this.activeStreams++;
  }

  done(): void {
    this.activeStreams--;
    if (this.capacity > 0) this.onAvailable?.();
    else if (this.streams === 0 && this.activeStreams === 0) this.destroy();
  }

  /** The peer says how many streams it takes from now on. */
  allow(streams: number): void {
    const before = this.capacity;
    this.streams = streams;
    if (streams === 0) this.onDraining?.();
    else if (this.capacity > before) this.onAvailable?.();
  }
}

interface Dial {
  opened(wire: Wire): void;
  failed(text: string): void;
  abandoned: boolean;
  readonly port: number;
  /** What it begins with; ''. */
  readonly header: string;
}

/** `counts`: of the cluster in all shards. */
export function bench(
  policy: Partial<ClusterPolicy> = {},
  expectedStreams = 1,
  counts: LimitSource['counts'] | null = null,
) {
  let now = 0;
  const timers = new Timers(10, () => now);
  const dials: Dial[] = [];
  const at = (port: number): Endpoint =>
    new Endpoint(
      {
        timers,
        expectedStreams: () => expectedStreams,
        dial(_endpoint, opened, failed, _protocol, header) {
          const dial = { opened, failed, abandoned: false, port, header: header?.latin1Slice() ?? '' };
          dials.push(dial);
          return () => {
            dial.abandoned = true;
          };
        },
      },
      '127.0.0.1',
      port,
    );
  const spec: ClusterSpec = {
    name: 'outbound|80||a',
    kind: 'outbound',
    service: 'a',
    port: 80,
    subset: '',
    labels: {},
    policy: { ...DEFAULT_POLICY, ...policy },
    dns: [],
    tls: null,
    rule: '',
  };
  const cluster = new Cluster(spec, Math.random, counts === null ? null : { timers, counts });
  const outcomes: string[] = [];
  const waiter = (name: string): Waiter & { wire: Wire | null } => ({
    wire: null,
    connected(connection) {
      assert.ok(connection instanceof Wire);
      this.wire = connection;
      this.wire.busy();
      outcomes.push(`${name} connected`);
    },
    failed(reason, text) {
      outcomes.push(`${name} ${reason} ${text}`.trim());
    },
  });
  return {
    endpoint: at(80),
    /** Another one of the cluster. */
    other: at(81),
    cluster,
    dials,
    outcomes,
    waiter,
    timers,
    at(ms: number) {
      now = ms;
      timers.advance();
    },
  };
}
