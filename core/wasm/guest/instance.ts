// One running guest: its memory, its callbacks, and whose turn it is. Host functions ask it for the current context and
// for room in the guest. It knows nothing of plugins' strategies: what a trap means is vm.ts's decision.

import { ABI_MARKERS, type AbiVersion, Status } from '../abi/abi.ts';
import { CallForbidden, GuestExit } from '../abi/abort.ts';
import { CallIds } from '../abi/call-ids.ts';
import type { ForeignFunctions } from '../abi/foreign.ts';
import { GrpcCalls } from '../abi/grpc-calls.ts';
import type { Guest } from '../abi/guest.ts';
import { GuestOutput } from '../abi/guest-output.ts';
import { hostFunctions } from '../abi/host-table.ts';
import { HttpCalls } from '../abi/http-calls.ts';
import { LogRation } from '../abi/log-ration.ts';
import { GuestMemory } from '../abi/memory.ts';
import { pricedFunctions } from '../abi/prices.ts';
import type { Callback, Callbacks, Context } from './context.ts';
import { FRAME_EXPORT, Frame } from './frame.ts';
import { FUEL_GLOBAL, type FuelBudget, FuelGauge, START_EXPORT } from './fuel.ts';
import type { GuestHost } from './host.ts';
import { checkArity } from './module.ts';
import { observedCallback, observedFunctions, observedMalloc } from './observed.ts';
import { trapText } from './traps.ts';

const SHARED_STREAMS_EXPORT = 'weft_shared_streams';
/** Host functions by which a guest is called back for a stream, or speaks for one, by its number. */
const NUMBERED: ReadonlySet<string> = new Set([
  'proxy_http_call',
  'proxy_dispatch_http_call',
  'proxy_grpc_call',
  'proxy_grpc_stream',
  'proxy_set_effective_context',
  'proxy_done',
]);

/** What a guest is given beside its code. */
interface Surroundings {
  /** WASI environment. */
  readonly env: Readonly<Record<string, string>>;
  /** What its memory may grow to. */
  readonly memoryBytes: number;
  /** null: the host's own budget. */
  readonly fuelPerCallback: number | null;
  /** What it may call by name beside what all guests may. */
  readonly foreign: ForeignFunctions;
}

export class Instance implements Guest {
  readonly abi: AbiVersion;
  readonly host: GuestHost;
  readonly env: Readonly<Record<string, string>>;
  readonly foreign: ForeignFunctions;
  readonly memory: GuestMemory;
  readonly callbacks: Callbacks;
  /** Every live context but the VM's own. */
  readonly contexts = new Map<number, Context>();
  /** Whose callback runs; null between callbacks. */
  current: Context | null = null;
  /** Whom host functions act for: `current`, unless the guest chose another. */
  effective: Context | null = null;
  /** True while on_vm_start runs, when proxy_get_configuration means the VM's. */
  startingVm = false;
  /** Arguments of the foreign call in progress (buffer 8). */
  foreignArguments: Buffer | null = null;
  readonly httpCalls: HttpCalls;
  readonly grpcCalls: GrpcCalls;
  /** A trap ended it, or nobody needs it. Nothing is called any more. */
  dead = false;
  /** A stream or a connection has ended in it. */
  served = false;
  stage: Guest['stage'] = 'starting';
  readonly logRation = new LogRation();
  /** Null: it has printed nothing yet. */
  output: GuestOutput | null = null;
  /** The last thing it said: often why it refuses its configuration. */
  lastMessage = '';
  /** Streams that asked for something during the running callback. */
  readonly waiting: { settle(): void }[] = [];
  /** Null for a guest that is not metered. */
  fuel: FuelGauge | null = null;
  /** Where headers are put before they are asked for; null: this guest asks. */
  readonly frame: Frame | null;
  /**
   * One object of the guest serves all streams, and nothing that it can ask for is answered to a stream by its number: the
   * guest hears of no stream's creation and end, and streams go under the number of their plugin.
   */
  readonly sharesStreams: boolean;
  /** Streams of such a guest that it holds. */
  readonly held = new Set<Context>();
  private readonly malloc: Callback;
  /** When the running callback began, if it is one that is timed; else 0. */
  private timed = 0;
  private nextId = 1;

  /** Links, checks arities and runs `_initialize` or `_start`. Throws what went wrong. */
  constructor(
    module: WebAssembly.Module,
    host: GuestHost,
    { env, memoryBytes, fuelPerCallback, foreign }: Surroundings,
  ) {
    this.host = host;
    this.env = env;
    this.foreign = foreign;
    this.memory = new GuestMemory(memoryBytes);
    const ids = new CallIds();
    this.httpCalls = new HttpCalls(host, ids);
    this.grpcCalls = new GrpcCalls(host, ids);
    const { observer } = host;
    const own = hostFunctions(this);
    const metered = WebAssembly.Module.exports(module).some(({ name }) => name === FUEL_GLOBAL);
    const table = metered ? pricedFunctions(this, own) : own;
    const imports = observer?.hostCall === undefined ? table : observedFunctions(this.memory, table, observer);
    const { exports } = new WebAssembly.Instance(module, imports);
    checkArity(exports);
    const fuel = exports[FUEL_GLOBAL];
    this.fuel = fuel instanceof WebAssembly.Global ? new FuelGauge(fuel, budgetOf(host.fuel, fuelPerCallback)) : null;
    this.memory.open(exports.memory as WebAssembly.Memory);
    this.frame = host.frames && observer === null ? frameOf(exports, this.memory) : null;
    this.abi = ABI_MARKERS[Object.keys(exports).find((name) => Object.hasOwn(ABI_MARKERS, name))!];
    const callback = (name: string): Callback | null => {
      const run = exports[name] as Callback | undefined;
      if (run === undefined) return null;
      return observer === null ? run : observedCallback(name, run, this, observer);
    };
    const malloc = (exports.malloc ?? exports.proxy_on_memory_allocate) as Callback;
    this.malloc = observer?.allocated === undefined ? malloc : observedMalloc(malloc, observer);
    this.callbacks = {
      contextCreate: callback('proxy_on_context_create'),
      vmStart: callback('proxy_on_vm_start'),
      configure: callback('proxy_on_configure'),
      tick: callback('proxy_on_tick'),
      requestHeaders: callback('proxy_on_request_headers'),
      requestBody: callback('proxy_on_request_body'),
      requestTrailers: callback('proxy_on_request_trailers'),
      responseHeaders: callback('proxy_on_response_headers'),
      responseBody: callback('proxy_on_response_body'),
      responseTrailers: callback('proxy_on_response_trailers'),
      newConnection: callback('proxy_on_new_connection'),
      downstreamData: callback('proxy_on_downstream_data'),
      upstreamData: callback('proxy_on_upstream_data'),
      downstreamClose: callback('proxy_on_downstream_connection_close'),
      upstreamClose: callback('proxy_on_upstream_connection_close'),
      httpCallResponse: callback('proxy_on_http_call_response'),
      grpcHead: callback('proxy_on_grpc_receive_initial_metadata'),
      grpcMessage: callback('proxy_on_grpc_receive'),
      grpcTrailers: callback('proxy_on_grpc_receive_trailing_metadata'),
      grpcClosed: callback('proxy_on_grpc_close'),
      queueReady: callback('proxy_on_queue_ready'),
      foreignFunction: callback('proxy_on_foreign_function'),
      done: callback('proxy_on_done'),
      log: callback('proxy_on_log'),
      delete: callback('proxy_on_delete'),
    };
    this.sharesStreams = host.frames && observer === null && sharesStreams(exports, module);
    this.fuel?.fillToStart();
    try {
      start(exports);
    } catch (error) {
      this.output?.flush();
      throw this.fuel?.spent === true ? new Error(trapText(error, this)) : error;
    }
    this.stage = 'running';
  }

  /** Registers a context under an id that no live one has. */
  newId(): number {
    let id = this.nextId;
    while (id === 0 || this.contexts.has(id)) id = (id + 1) >>> 0;
    this.nextId = (id + 1) >>> 0;
    return id;
  }

  print(level: number, text: string): void {
    this.output ??= new GuestOutput(this);
    this.output.write(level, text);
  }

  pay(units: number): void {
    this.fuel?.pay(units);
  }

  actFor(id: number): boolean {
    const context = this.contexts.get(id);
    if (context === undefined) return false;
    this.effective = context;
    return true;
  }

  /** A callback of `context` begins. Returns whose turn it was, for `end`. */
  begin(context: Context): Context | null {
    const outer = this.current;
    // Not for one within another: the outer one pays for both.
    if (outer === null) {
      this.timed = context.plugin.times.begin();
      if (this.fuel !== null) this.fuel.begin(context, this.host.second());
    }
    this.current = context;
    this.effective = context;
    return outer;
  }

  /** It ended without a trap. What was asked for meanwhile happens now, after the guest has returned. */
  end(outer: Context | null): void {
    if (outer === null && this.current !== null) {
      this.output?.flush();
      if (this.fuel !== null) this.fuel.end(this.current);
      if (this.timed !== 0) this.current.plugin.times.end(this.timed);
    }
    this.current = outer;
    this.effective = outer;
    if (this.waiting.length !== 0 && outer === null) this.settle();
  }

  /** Nothing of it is called any more, and what it waits for is given up. */
  die(): void {
    this.output?.flush();
    this.dead = true;
    this.current = null;
    this.effective = null;
    this.waiting.length = 0;
    this.dropCalls(null);
  }

  /** Gives up the calls of one plugin, or of all. */
  dropCalls(of: Context['plugin'] | null): void {
    this.httpCalls.drop(of);
    this.grpcCalls.drop(of);
  }

  /** Room for `size` bytes in the guest, or 0. The guest may log meanwhile, and nothing else. */
  allocate(size: number): number {
    this.stage = 'allocating';
    const pointer = (this.malloc(size) ?? 0) >>> 0;
    this.stage = 'running';
    this.memory.attach();
    return pointer !== 0 && this.memory.holds(pointer, size) ? pointer : 0;
  }

  /** Raises out of the guest when `name` may not be called now. Called only when stage is not 'running'. */
  forbid(name: string): never {
    throw new CallForbidden(`${name} was called while ${this.stage === 'starting' ? 'starting' : 'allocating memory'}`);
  }

  /** Hands a latin1 string to the guest, which owns it from then on. */
  giveText(text: string, pointerAt: number, lengthAt: number): number {
    const { memory } = this;
    if (!memory.holds(pointerAt, 4) || !memory.holds(lengthAt, 4)) return Status.InvalidMemoryAccess;
    const { length } = text;
    let pointer = 0;
    if (length !== 0) {
      this.pay(length);
      pointer = this.allocate(length);
      if (pointer === 0) return Status.InvalidMemoryAccess;
      memory.writeLatin1(text, pointer);
    }
    memory.setU32(pointerAt, pointer);
    memory.setU32(lengthAt, length);
    return Status.Ok;
  }

  /** Hands `length` bytes of `source` to the guest. */
  giveBytes(source: Uint8Array, start: number, length: number, pointerAt: number, lengthAt: number): number {
    const { memory } = this;
    if (!memory.holds(pointerAt, 4) || !memory.holds(lengthAt, 4)) return Status.InvalidMemoryAccess;
    let pointer = 0;
    if (length !== 0) {
      this.pay(length);
      pointer = this.allocate(length);
      if (pointer === 0) return Status.InvalidMemoryAccess;
      memory.writeBytes(source, start, length, pointer);
    }
    memory.setU32(pointerAt, pointer);
    memory.setU32(lengthAt, length);
    return Status.Ok;
  }

  private settle(): void {
    const streams = this.waiting.splice(0);
    for (const stream of streams) stream.settle();
  }
}

function frameOf(exports: Record<string, unknown>, memory: GuestMemory): Frame | null {
  const at = exports[FRAME_EXPORT];
  return at instanceof WebAssembly.Global ? new Frame(memory, Number(at.value)) : null;
}

/** By what the SDK says of a filter, unless the filter looks at its end, or may be answered later by a stream's number. */
function sharesStreams(exports: Record<string, unknown>, module: WebAssembly.Module): boolean {
  if (!(exports[SHARED_STREAMS_EXPORT] instanceof WebAssembly.Global)) return false;
  if ('proxy_on_done' in exports || 'proxy_on_log' in exports) return false;
  return !WebAssembly.Module.imports(module).some(({ name }) => NUMBERED.has(name));
}

function budgetOf(budget: FuelBudget, callback: number | null): FuelBudget {
  return callback === null ? budget : { ...budget, callback, stream: Math.max(budget.stream, callback) };
}

/** WASI's two ways to start, and the `main` that a reactor may have beside `_initialize`. */
function start(exports: Record<string, unknown>): void {
  const run = (name: string, ...args: number[]): void => {
    (exports[name] as Callback)(...args);
  };
  try {
    if (typeof exports[START_EXPORT] === 'function') run(START_EXPORT);
    if (typeof exports._initialize === 'function') {
      run('_initialize');
      if (typeof exports.main === 'function') run('main', 0, 0);
      else if (typeof exports.__main_void === 'function') run('__main_void');
    } else if (typeof exports._start === 'function') run('_start');
  } catch (error) {
    if (!(error instanceof GuestExit) || error.code !== 0) throw error;
  }
}
