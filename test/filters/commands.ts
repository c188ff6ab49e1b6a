// For tests of the filters that count commands: one connection of one of them, whose bytes are given in pieces.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { BodyBuffer } from '../../core/exchange/body-buffer.ts';
import type { Side } from '../../core/tcp/network-filter.ts';
import type { WasmRuntime } from '../../core/wasm/guest/runtime.ts';
import { plain, recordFor, runtimeFor, specFor } from '../core/wasm/harness.ts';

export interface Counted {
  /** Gives the filter bytes of one side, which have to pass as they are. */
  give(side: Side, bytes: Uint8Array): void;
  end(): void;
}

export class Counting {
  private readonly runtime: WasmRuntime;
  private readonly lines: readonly unknown[];
  private readonly filter: ReturnType<WasmRuntime['configureNetwork']>;

  constructor(name: 'redis' | 'mongo') {
    const { runtime, lines } = runtimeFor();
    this.runtime = runtime;
    this.lines = lines;
    const bytes = readFileSync(new URL(`../../asbuild/out/${name}.wasm`, import.meta.url));
    const configuration = Buffer.from('here');
    const spec = specFor(bytes, { name, configuration, builtin: plain(configuration), failStrategy: 'FAIL_OPEN' });
    this.filter = runtime.configureNetwork(spec);
  }

  open(): Counted {
    const owner = { record: recordFor(), exchange: null, state: new Map<string, Uint8Array>() };
    const filter = this.filter.connect({ ...owner, resume: () => undefined, close: () => assert.fail('closed') });
    assert.ok(filter !== null);
    assert.ok(filter.opened());
    return {
      give(side, bytes) {
        const data = new BodyBuffer();
        data.append(Buffer.from(bytes));
        assert.ok(filter.received(side, data, false), 'it holds nothing');
        assert.ok(data.take().equals(bytes), 'it changes nothing');
      },
      end() {
        filter.closed('downstream', 'remote');
        filter.done();
      },
    };
  }

  /** What is above 0, by its series; of a histogram how many values it has. */
  counts(): Record<string, number> {
    assert.deepEqual(this.lines, [], 'it does not trap');
    const all = this.runtime.metrics().map(({ name, value, type, buckets, ours }) => {
      assert.ok(ours, name);
      return [name, Number(type === 2 ? buckets.reduce((sum, count) => sum + count, 0n) : value)] as const;
    });
    return Object.fromEntries(all.filter(([, value]) => value > 0));
  }

  close(): void {
    this.runtime.stop();
  }
}

/** Gives all of it in pieces of so many bytes. */
export function inPieces(connection: Counted, side: Side, bytes: Buffer, size: number): void {
  for (let at = 0; at < bytes.length; at += size) connection.give(side, bytes.subarray(at, at + size));
}

/** The same numbers each time. */
export function dice(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % below;
  };
}
