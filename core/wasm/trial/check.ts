// What a module is and what it will be able to do, told before any of it runs. One line says why it is refused.
import { ABI_MARKERS } from '../abi/abi.ts';
import { checkModule } from '../guest/module.ts';
import { PluginRefused } from '../guest/traps.ts';
import { type Metered, type MeterOptions, meter } from '../meter/meter.ts';
import { wrongType } from '../meter/signatures.ts';
import { type Capability, capabilitiesOf } from './capabilities.ts';
import type { PluginKind } from './trial.ts';

export interface PluginDescription {
  readonly accepted: boolean;
  /** Why not, in one line; null when it is accepted. */
  readonly refusal: string | null;
  /** '0.2.1'; null when it has no or no known marker. */
  readonly abi: string | null;
  /** By its callbacks: http before network before service. SDKs export all of them, so it is a guess. Null: no module. */
  readonly kind: PluginKind | null;
  /** All that its callbacks allow it to be, the likeliest first. */
  readonly kinds: readonly PluginKind[];
  /** 'env.proxy_log' */
  readonly imports: readonly string[];
  readonly capabilities: readonly Capability[];
  /** Pages of 64 KiB that its memory begins with, and at most has here. */
  readonly memoryPages: number;
  readonly memoryLimitPages: number;
  /** Bytes. */
  readonly size: number;
  readonly exports: readonly string[];
}

/** A module that may run, beside what is known of it. */
export interface CheckedModule {
  readonly description: PluginDescription;
  /** Null when it was refused. */
  readonly metered: Metered | null;
  readonly module: WebAssembly.Module | null;
}

/** Any bytes; never throws for what they are. Runs nothing of the module. */
export function describePlugin(bytes: Uint8Array, options: MeterOptions = {}): PluginDescription {
  return checkPlugin(bytes, options).description;
}

export function checkPlugin(bytes: Uint8Array, options: MeterOptions = {}): CheckedModule {
  let metered: Metered | null = null;
  let module: WebAssembly.Module | null = null;
  let original: WebAssembly.Module | null = null;
  let refusal: string | null = null;
  try {
    metered = meter(bytes, options);
    original = compile(bytes);
    checkModule(original);
    const wrong = wrongType(bytes);
    if (wrong !== null) throw new PluginRefused(wrong);
    module = new WebAssembly.Module(metered.bytes);
    checkLinked(module);
  } catch (error) {
    if (!(error instanceof PluginRefused)) throw error;
    refusal = error.message;
  }
  return {
    description: describe(bytes.length, original, metered, refusal),
    metered: refusal === null ? metered : null,
    module: refusal === null ? module : null,
  };
}

function describe(
  size: number,
  module: WebAssembly.Module | null,
  metered: Metered | null,
  refusal: string | null,
): PluginDescription {
  const imported = module === null ? [] : WebAssembly.Module.imports(module);
  const exports = module === null ? [] : WebAssembly.Module.exports(module).map(({ name }) => name);
  const marker = exports.find((name) => Object.hasOwn(ABI_MARKERS, name));
  const names = imported.filter(({ kind }) => kind === 'function').map(({ name }) => name);
  return {
    accepted: refusal === null,
    refusal,
    abi: marker === undefined ? null : ABI_MARKERS[marker],
    kind: module === null ? null : kindsOf(exports)[0],
    kinds: module === null ? [] : kindsOf(exports),
    imports: imported.map(({ module: from, name }) => `${from}.${name}`),
    capabilities: capabilitiesOf(names, exports),
    memoryPages: metered?.memory?.minimum ?? 0,
    memoryLimitPages: metered?.memory?.maximum ?? 0,
    size,
    exports,
  };
}

const OF_KIND: Readonly<Record<PluginKind, RegExp>> = {
  http: /^proxy_on_(request|response)_(headers|body|trailers)$/,
  network: /^proxy_on_(new_connection|(down|up)stream_)/,
  service: /^proxy_on_(tick|queue_ready|http_call_response)$/,
};

/** What its callbacks allow it to be, the likeliest first; never nothing. */
function kindsOf(exports: readonly string[]): readonly PluginKind[] {
  const kinds = (Object.keys(OF_KIND) as PluginKind[]).filter((kind) =>
    exports.some((name) => OF_KIND[kind].test(name)),
  );
  // Without a callback of a stream but its log it may still be a logger of requests.
  const first: PluginKind = exports.includes('proxy_on_log') ? 'http' : 'service';
  return kinds.includes('http') || kinds.includes('network')
    ? kinds
    : [first, ...kinds.filter((kind) => kind !== first)];
}

/** V8 knows whether it is valid, and says where it is not. */
function compile(bytes: Uint8Array): WebAssembly.Module {
  try {
    return new WebAssembly.Module(new Uint8Array(bytes));
  } catch (error) {
    if (!(error instanceof WebAssembly.CompileError)) throw error;
    throw new PluginRefused(`not a valid module: ${error.message.replace('WebAssembly.Module(): ', '')}`);
  }
}

/** A metered module runs nothing by that: its start section is an export. */
function checkLinked(module: WebAssembly.Module): void {
  const imports: Record<string, Record<string, () => number>> = {};
  for (const { module: from, name } of WebAssembly.Module.imports(module)) {
    imports[from] ??= {};
    imports[from][name] = () => 0;
  }
  try {
    new WebAssembly.Instance(module, imports);
  } catch (error) {
    if (error instanceof PluginRefused) throw error;
    const reason = error instanceof Error ? error.message.replace('WebAssembly.Instance(): ', '') : String(error);
    throw new PluginRefused(`cannot be linked: ${reason}`);
  }
}
