// Loads llhttp (the WASM build that undici ships, that one file only) and has it parse heads: bytes in, offsets out.
// One request parser and one response parser a shard. Knows no Head and no policy; bodies never come here.

import { createRequire } from 'node:module';

/** Offsets are into the `bytes` given to `parse`. Everything is overwritten by the next `parse`. */
export interface HeadParser {
  /**
   * Parses one head that begins at `start`. Returns the offset after its empty line, INCOMPLETE when `end` came first,
   * MALFORMED at the first wrong byte, or TOO_MANY as soon as there is one field more than `maxFields`.
   */
  parse(bytes: Buffer, start: number, end: number, maxFields: number): number;
  /** [nameStart, nameLength, valueStart, valueLength] of each field. Trailing whitespace of values included. */
  readonly fields: Int32Array;
  /** Fields in `fields`. */
  readonly count: number;
  /** A request's target as it was written. */
  readonly targetStart: number;
  readonly targetLength: number;
  /** A request's method, one of METHODS, or '' for methods that are not HTTP's. */
  readonly method: string;
}

export const INCOMPLETE = 0;
export const MALFORMED = -1;
export const TOO_MANY = -2;

/** By llhttp's number. Interned: heads share these strings. '' are icecast's, RTSP's and HTTP/2's preface. */
export const METHODS: readonly string[] = [
  ...[
    'DELETE',
    'GET',
    'HEAD',
    'POST',
    'PUT',
    'CONNECT',
    'OPTIONS',
    'TRACE',
    'COPY',
    'LOCK',
    'MKCOL',
    'MOVE',
    'PROPFIND',
  ],
  ...['PROPPATCH', 'SEARCH', 'UNLOCK', 'BIND', 'REBIND', 'UNBIND', 'ACL', 'REPORT', 'MKACTIVITY', 'CHECKOUT', 'MERGE'],
  ...['M-SEARCH', 'NOTIFY', 'SUBSCRIBE', 'UNSUBSCRIBE', 'PATCH', 'PURGE', 'MKCALENDAR', 'LINK', 'UNLINK'],
  ...new Array<string>(13).fill(''),
  'QUERY',
];

const REQUEST = 1;
const RESPONSE = 2;
const PAUSED = 21;
const STOP = -1;

/** Imports and exports of the WASM module that this file relies on; a test compares them with what undici ships. */
export const CALLBACKS = [
  'wasm_on_headers_complete',
  'wasm_on_message_begin',
  'wasm_on_url',
  'wasm_on_status',
  'wasm_on_header_field',
  'wasm_on_header_value',
  'wasm_on_body',
  'wasm_on_message_complete',
] as const;

interface Llhttp {
  readonly memory: WebAssembly.Memory;
  _initialize(): void;
  malloc(size: number): number;
  free(pointer: number): void;
  llhttp_alloc(type: number): number;
  llhttp_reset(parser: number): void;
  llhttp_execute(parser: number, data: number, length: number): number;
  llhttp_get_error_pos(parser: number): number;
  llhttp_get_method(parser: number): number;
}

/** The WASM file's bytes. The deep import keeps undici's root (14 MB) out of a shard. */
export function llhttpBinary(): Buffer {
  return createRequire(import.meta.url)('undici/lib/llhttp/llhttp_simd-wasm.js') as Buffer;
}

class WasmHeadParser implements HeadParser {
  fields = new Int32Array(4 * 128);
  count = 0;
  targetStart = 0;
  targetLength = 0;
  method = '';

  /** Set by callbacks during one parse. */
  complete = false;
  overflow = false;
  maxFields = 0;
  /** Offset in `bytes` = address in WASM memory + shift. */
  shift = 0;

  private readonly pointer: number;

  constructor(type: number) {
    this.pointer = wasm.llhttp_alloc(type);
  }

  parse(bytes: Buffer, start: number, end: number, maxFields: number): number {
    const length = end - start;
    if (length > capacity) grow(length);
    bytes.copy(memory, base, start, end);
    this.count = 0;
    this.complete = false;
    this.overflow = false;
    this.maxFields = maxFields;
    this.shift = start - base;
    this.targetLength = 0;
    current = this;
    wasm.llhttp_reset(this.pointer);
    const code = wasm.llhttp_execute(this.pointer, base, length);
    if (this.complete) {
      this.method = METHODS[wasm.llhttp_get_method(this.pointer)] ?? '';
      return wasm.llhttp_get_error_pos(this.pointer) + this.shift;
    }
    if (code === 0) return INCOMPLETE;
    return this.overflow ? TOO_MANY : MALFORMED;
  }

  field(at: number, length: number): number {
    if (this.count === this.maxFields) {
      this.overflow = true;
      return STOP;
    }
    const k = this.count++ << 2;
    if (k === this.fields.length) {
      const larger = new Int32Array(k * 2);
      larger.set(this.fields);
      this.fields = larger;
    }
    const start = at + this.shift;
    this.fields[k] = start;
    this.fields[k + 1] = length;
    this.fields[k + 2] = start + length + 1;
    this.fields[k + 3] = 0;
    return 0;
  }

  value(at: number, length: number): number {
    const k = (this.count - 1) << 2;
    this.fields[k + 2] = at + this.shift;
    this.fields[k + 3] = length;
    return 0;
  }
}

let current: WasmHeadParser;

const env: Record<(typeof CALLBACKS)[number], (...args: number[]) => number> = {
  wasm_on_message_begin: () => 0,
  wasm_on_url: (_parser, at, length) => {
    current.targetStart = at + current.shift;
    current.targetLength = length;
    return 0;
  },
  wasm_on_status: () => 0,
  wasm_on_header_field: (_parser, at, length) => current.field(at, length),
  wasm_on_header_value: (_parser, at, length) => current.value(at, length),
  wasm_on_headers_complete: () => {
    current.complete = true;
    return PAUSED;
  },
  wasm_on_body: () => STOP,
  wasm_on_message_complete: () => 0,
};

const wasm = new WebAssembly.Instance(new WebAssembly.Module(llhttpBinary()), { env }).exports as unknown as Llhttp;
wasm._initialize();

// Room for one head in WASM memory; both parsers use it, one after the other.
let capacity = 64 * 1024;
let base = wasm.malloc(capacity);

export const requestParser: HeadParser = new WasmHeadParser(REQUEST);
export const responseParser: HeadParser = new WasmHeadParser(RESPONSE);

let memory = Buffer.from(wasm.memory.buffer);

function grow(length: number): void {
  wasm.free(base);
  capacity = Math.max(length, capacity * 2);
  base = wasm.malloc(capacity);
  memory = Buffer.from(wasm.memory.buffer);
}
