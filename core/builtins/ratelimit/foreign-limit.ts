// Host functions of the ratelimit filter: counting needs the clock, and memory that all shards share. Only built-in filters
// have them: a guest that could take tokens could use up those of others.
//   weft_rate_limits(JSON)   the limits of the current plugin; answers the seed of fingerprints, 16 bytes
//   weft_take_tokens(block)  a token of each bucket of a request, or of none; the verdict is written over the block (layout.ts)

import { Status } from '../../wasm/abi/abi.ts';
import type { ForeignContext, ForeignFunction, ForeignHost } from '../../wasm/abi/foreign.ts';
import { BLOCK_ENTRY, BLOCK_HEADER } from './layout.ts';
import { LimitMetrics } from './limit-metrics.ts';
import type { Buckets, Rate } from './shared-buckets.ts';

/** One limit, as core/builtins/ratelimit/ratelimit.ts describes it. */
export interface LimitSpec {
  /** 'namespace/name' */
  readonly policy: string;
  readonly limit: string;
  readonly requests: number;
  readonly periodMs: number;
  readonly burst: number;
  /** Counts, and lets pass. */
  readonly shadow: boolean;
  /** Lets pass while the count cannot be reached. */
  readonly failOpen: boolean;
}

interface Limit extends Rate {
  readonly shadow: boolean;
  readonly failOpen: boolean;
  readonly metrics: LimitMetrics;
}

export function limitFunctions(buckets: Buckets): Readonly<Record<string, ForeignFunction>> {
  const limitsOf = new WeakMap<ForeignContext['plugin'], readonly Limit[]>();
  return {
    weft_rate_limits({ current, memory, host }, at, length) {
      if (current === null) return Status.BadArgument;
      const { tickMs } = host.timers();
      const specs = JSON.parse(memory.utf8(at, length)) as LimitSpec[];
      limitsOf.set(
        current.plugin,
        specs.map((spec) => limitOf(spec, tickMs, host.metrics)),
      );
      return buckets.seed;
    },
    weft_take_tokens({ effective, memory, host }, at, length) {
      const limits = effective === null ? undefined : limitsOf.get(effective.plugin);
      if (limits === undefined) return Status.NotFound;
      const { bytes } = memory;
      const count = length < BLOCK_HEADER ? 0 : bytes.readUInt32LE(at);
      if (count === 0 || length !== BLOCK_HEADER + count * BLOCK_ENTRY) return Status.BadArgument;
      return takeTokens(buckets, limits, bytes, at, count, host.coarse());
    },
  };
}

function limitOf(spec: LimitSpec, tickMs: number, metrics: ForeignHost['metrics']): Limit {
  const { policy, limit, requests, periodMs, burst, shadow, failOpen } = spec;
  const tokenMs = periodMs / requests;
  // The clock stands still for a tick: what comes back meanwhile has to have room.
  const tokens = Math.max(burst, Math.floor(tickMs / tokenMs));
  return { tokenMs, tokens, shadow, failOpen, metrics: new LimitMetrics(metrics, policy, limit) };
}

/** Reads and answers where the guest's block lies. */
function takeTokens(
  buckets: Buckets,
  limits: readonly Limit[],
  bytes: Buffer,
  at: number,
  count: number,
  now: number,
): number {
  let tokens = 0;
  let remaining = Number.POSITIVE_INFINITY;
  let waitMs = 0;
  let limited = 0;
  for (let i = 0; i < count; i++) {
    const entry = at + BLOCK_HEADER + i * BLOCK_ENTRY;
    const limit = limits[bytes.readUInt32LE(entry)];
    if (limit === undefined) return Status.BadArgument;
    const evictions = buckets.evictions;
    const taken = buckets.take(bytes.readInt32LE(entry + 8), bytes.readInt32LE(entry + 12), limit, now);
    if (buckets.evictions !== evictions) limit.metrics.count('evicted');
    bytes[entry + 4] = taken === 'taken' ? 1 : 0;
    if (taken === 'unavailable') {
      limit.metrics.count('unavailable');
      if (limit.failOpen || limit.shadow) continue;
    } else if (taken === 'empty' && limit.shadow) {
      limit.metrics.count('shadow_limited');
      continue;
    }
    const refused = taken !== 'taken';
    if (refused || (buckets.remaining < remaining && !limit.shadow)) {
      tokens = limit.tokens;
      remaining = refused ? 0 : buckets.remaining;
      waitMs = taken === 'unavailable' ? 1000 : buckets.waitMs;
    }
    if (!refused) continue;
    if (taken === 'empty') limit.metrics.count('limited');
    limited = 1;
    // A request that one limit refuses is not held against the others.
    returnTokens(buckets, bytes, limits, at + BLOCK_HEADER, i);
    break;
  }
  if (limited === 0) countPassed(bytes, limits, at + BLOCK_HEADER, count);
  bytes.writeUInt32LE(limited, at);
  bytes.writeUInt32LE(Math.min(tokens, 0xffffffff), at + 4);
  bytes.writeUInt32LE(Math.min(remaining, 0xffffffff), at + 8);
  bytes.writeUInt32LE(Math.min(Math.ceil(waitMs / 1000), 0xffffffff), at + 12);
  return Status.Ok;
}

function returnTokens(buckets: Buckets, bytes: Buffer, limits: readonly Limit[], entries: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const entry = entries + i * BLOCK_ENTRY;
    if (bytes[entry + 4] === 0) continue;
    const limit = limits[bytes.readUInt32LE(entry)];
    buckets.giveBack(bytes.readInt32LE(entry + 8), bytes.readInt32LE(entry + 12), limit);
  }
}

function countPassed(bytes: Buffer, limits: readonly Limit[], entries: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const entry = entries + i * BLOCK_ENTRY;
    if (bytes[entry + 4] !== 0) limits[bytes.readUInt32LE(entry)].metrics.count('ok');
  }
}
