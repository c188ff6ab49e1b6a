// A guest's side of host functions, driven from a test: pointers into its memory, and what it would find there.

import { hostFunctions } from '../../../core/wasm/abi/host-table.ts';
import type { Context } from '../../../core/wasm/guest/context.ts';
import type { Instance } from '../../../core/wasm/guest/instance.ts';
import { Plugin } from '../../../core/wasm/guest/plugin.ts';
import type { RuntimeOptions, WasmRuntime } from '../../../core/wasm/guest/runtime.ts';
import type { PluginSpec } from '../../../core/wasm/guest/spec.ts';
import { WasmStream } from '../../../core/wasm/guest/stream.ts';
import { guest } from './guests.ts';
import { type LogLine, plain, runtimeFor, specFor, TestStream } from './harness.ts';

/** A pointer beyond every memory of these tests, and one that wraps around. */
export const FAR = 0x7fff0000;
export const WRAPPING = -8;

const OUT = 64;

export class Calls {
  readonly runtime: WasmRuntime;
  readonly lines: LogLine[];
  readonly plugin: Plugin;
  readonly instance: Instance;
  readonly stream: TestStream;
  readonly context: WasmStream;
  private readonly table: Record<string, Record<string, (...parameters: never[]) => number | undefined>>;
  private top = 512;

  constructor(
    bytes = guest(),
    stream = new TestStream(),
    spec: Partial<PluginSpec> = {},
    config: Uint8Array | null = null,
    options: Partial<RuntimeOptions> = {},
  ) {
    const { runtime, lines } = runtimeFor(options);
    this.runtime = runtime;
    this.lines = lines;
    const factory = runtime.configure(specFor(bytes, spec));
    if (!(factory instanceof Plugin) || factory.vm.instance === null) throw new Error('no plugin');
    this.plugin = factory;
    this.instance = factory.vm.instance;
    this.stream = stream;
    const filter = factory.open(stream, config === null ? null : plain(config));
    if (!(filter instanceof WasmStream)) throw new Error('no stream');
    this.context = filter;
    this.table = hostFunctions(this.instance);
    this.instance.begin(this.context);
  }

  /** Calls as the stream, or as another context. */
  as(context: Context): this {
    this.instance.begin(context);
    return this;
  }

  /** The callback is over. */
  end(): void {
    this.instance.end(null);
    this.top = 512;
  }

  env(name: string, ...parameters: (number | bigint)[]): number | undefined {
    return this.table.env[name](...(parameters as never[]));
  }

  wasi(name: string, ...parameters: (number | bigint)[]): number | undefined {
    return this.table.wasi_snapshot_preview1[name](...(parameters as never[]));
  }

  /** Puts text (latin1) or bytes into the guest: pointer and length, as two parameters. */
  put(value: string | Uint8Array): [number, number] {
    const bytes = typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
    this.instance.memory.attach();
    const at = this.top;
    this.instance.memory.bytes.set(bytes, at);
    this.top += bytes.length;
    return [at, bytes.length];
  }

  /** Where results are asked for: pointer and length. */
  readonly out: [number, number] = [OUT, OUT + 4];

  u32(at = OUT): number {
    return this.instance.memory.u32(at);
  }

  u64(at = OUT): bigint {
    return this.instance.memory.bytes.readBigUInt64LE(at);
  }

  /** What was written to `out`. */
  given(): string {
    return this.instance.memory.latin1(this.u32(OUT), this.u32(OUT + 4));
  }

  givenBytes(): Buffer {
    const from = this.u32(OUT);
    return Buffer.from(this.instance.memory.bytes.subarray(from, from + this.u32(OUT + 4)));
  }

  /** A header's value, or its status when it is not Ok. */
  header(map: number, name: string): string | number | undefined {
    const status = this.env('proxy_get_header_map_value', map, ...this.put(name), ...this.out);
    return status === 0 ? this.given() : status;
  }

  property(...path: string[]): Buffer | number | undefined {
    const status = this.env('proxy_get_property', ...this.put(path.join('\0')), ...this.out);
    return status === 0 ? this.givenBytes() : status;
  }
}
