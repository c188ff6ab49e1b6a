// Rewrites a third-party module so that it can be stopped: it pays fuel as it runs and traps when that is spent, its memory
// is capped, and its start section becomes an export. In one pass over the bytes, section by section; no index of the
// module changes, because what is added comes last in its section. The same input gives the same output.
import { FUEL_GLOBAL, START_EXPORT } from '../guest/fuel.ts';
import { PluginRefused } from '../guest/traps.ts';
import { meterBody, type Surroundings } from './body.ts';
import { valueType } from './instructions.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** Changes whenever the same input gives another output. Part of every key under which output is kept. */
export const REWRITER_VERSION = 1;

export interface MeterOptions {
  /** Most pages (64 KiB) that the memory may grow to; a module that begins with more is refused. */
  readonly memoryPages?: number;
  /** Larger input is refused. */
  readonly maxBytes?: number;
}

export interface Metered {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Export name of the mutable i32 that the host fills. It starts empty. */
  readonly fuelGlobal: string;
  /** Export name of what was the start section's function, or null: there was none. */
  readonly startExport: string | null;
  /** Pages at the start, and at most; null without a memory. */
  readonly memory: { readonly minimum: number; readonly maximum: number } | null;
  readonly functions: number;
  /** Places where it pays. */
  readonly charges: number;
}

const MEMORY_PAGES = 512;
/** Larger ones are refused. */
export const MOST_MODULE_BYTES = 32 * 1024 * 1024;
const ALL_PAGES = 65_536;
const TABLE_ENTRIES = 100_000;
const MOST_TABLES = 16;

const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
  tag: 13,
} as const;
/** Place of a section in a module, by its number. */
const ORDER: readonly number[] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 12, 13, 11, 6];
/** Custom sections that hold offsets of instructions, which move. */
const OFFSETS = /^(\.debug_|reloc\.|metadata\.code\.|sourceMappingURL$|external_debug_info$|linking$)/;

/** Throws PluginRefused: the reason in one line, with the offset where it is known. */
export function meter(bytes: Uint8Array, options: MeterOptions = {}): Metered {
  const { memoryPages = MEMORY_PAGES, maxBytes = MOST_MODULE_BYTES } = options;
  if (bytes.length > maxBytes) throw new PluginRefused(`larger than ${maxBytes} bytes`);
  return new Rewriter(bytes, memoryPages).run();
}

class Rewriter {
  private readonly reader: Reader;
  private readonly memoryPages: number;
  private readonly out: Writer;
  private readonly section = new Writer();
  private readonly body = new Writer();
  /** Parameters of every function type. */
  private readonly parameters: number[] = [];
  /** Types of the functions that are not imported. */
  private readonly types: number[] = [];
  private importedFunctions = 0;
  private globals = 0;
  private hasGlobals = false;
  private hasExports = false;
  private start = -1;
  private bodies = 0;
  /** As they are announced, or null, and as many as there are. */
  private announcedData: number | null = null;
  private data = 0;
  private charges = 0;
  private memory: Metered['memory'] = null;

  constructor(bytes: Uint8Array, memoryPages: number) {
    this.reader = new Reader(bytes);
    this.memoryPages = memoryPages;
    this.out = new Writer(bytes.length + (bytes.length >> 3) + 256);
  }

  run(): Metered {
    const { reader, out } = this;
    const { bytes } = reader;
    if (bytes.length < 8 || Buffer.from(bytes.subarray(0, 4)).toString('latin1') !== '\0asm') {
      throw new PluginRefused('not a WebAssembly module');
    }
    if (bytes[4] !== 1 || bytes[5] !== 0 || bytes[6] !== 0 || bytes[7] !== 0) {
      throw new PluginRefused(
        bytes[6] === 1 ? 'a WebAssembly component, not a module' : 'an unknown version of WebAssembly',
      );
    }
    reader.skip(8);
    out.copy(bytes, 0, 8);
    // The start section comes behind the exports and decides about one of them.
    this.findStart();
    let before = 0;
    while (!reader.done) {
      const at = reader.at;
      const id = reader.byte();
      if (id >= ORDER.length) reader.refuse(`unknown section ${id}`, at);
      const content = reader.piece(reader.u32());
      if (id !== SECTION.custom) {
        if (ORDER[id] <= before) reader.refuse(`section ${id} is not where it belongs`, at);
        before = ORDER[id];
        this.addMissing(before);
      }
      this.rewrite(id, content, at);
    }
    this.addMissing(ORDER.length);
    if (this.bodies !== this.types.length) {
      reader.refuse(`${this.types.length} functions are declared, ${this.bodies} are there`);
    }
    if (this.announcedData !== null && this.announcedData !== this.data) {
      reader.refuse(`${this.announcedData} data segments are announced, ${this.data} are there`);
    }
    return {
      bytes: out.take(),
      fuelGlobal: FUEL_GLOBAL,
      startExport: this.start < 0 ? null : START_EXPORT,
      memory: this.memory,
      functions: this.bodies,
      charges: this.charges,
    };
  }

  private findStart(): void {
    const scout = new Reader(this.reader.bytes, this.reader.at);
    while (!scout.done) {
      const id = scout.byte();
      const content = scout.piece(scout.u32());
      if (id === SECTION.start) this.start = content.u32();
    }
  }

  /** Globals and exports are added to where there are none. */
  private addMissing(next: number): void {
    if (!this.hasGlobals && next > ORDER[SECTION.global]) {
      this.section.clear();
      this.addGlobal(0);
      this.put(SECTION.global);
    }
    if (!this.hasExports && next > ORDER[SECTION.export]) {
      this.section.clear();
      this.addExports(0);
      this.put(SECTION.export);
    }
  }

  private rewrite(id: number, content: Reader, at: number): void {
    switch (id) {
      case SECTION.custom:
        if (OFFSETS.test(content.name())) return;
        break;
      case SECTION.type:
        this.readTypes(content);
        break;
      case SECTION.import:
        this.readImports(content);
        break;
      case SECTION.function:
        this.readFunctions(content);
        break;
      case SECTION.table:
        this.capTables(content);
        return;
      case SECTION.memory:
        this.capMemory(content);
        return;
      case SECTION.tag:
        content.refuse('exception handling (a section of tags)', at);
        break;
      case SECTION.global:
        this.section.clear();
        this.addGlobal(content.count('globals'), content);
        this.put(SECTION.global);
        return;
      case SECTION.export:
        this.rewriteExports(content);
        return;
      case SECTION.start:
        return;
      case SECTION.code:
        this.rewriteCode(content);
        return;
      case SECTION.data:
        this.data = content.u32();
        break;
      case SECTION.dataCount:
        this.announcedData = content.u32();
        break;
    }
    this.out.copy(this.reader.bytes, at, content.end);
  }

  private readTypes(content: Reader): void {
    for (let count = content.count('types'); count > 0; count--) {
      const form = content.byte();
      if (form !== 0x60) content.refuse('garbage-collected types', content.at - 1);
      const parameters = content.count('parameters');
      for (let i = parameters; i > 0; i--) valueType(content);
      for (let results = content.count('results'); results > 0; results--) valueType(content);
      this.parameters.push(parameters);
    }
    ended(content);
  }

  private readImports(content: Reader): void {
    for (let count = content.count('imports'); count > 0; count--) {
      const at = content.at;
      const from = content.name();
      const name = content.name();
      const kind = content.byte();
      if (kind === 0) {
        content.u32();
        this.importedFunctions++;
      } else if (kind === 3) {
        valueType(content);
        content.byte();
        this.globals++;
      } else {
        const what = ['function', 'table', 'memory', 'global', 'tag'][kind] ?? 'thing';
        content.refuse(`imports the ${what} ${from}.${name}, which no host provides,`, at);
      }
    }
    ended(content);
  }

  private readFunctions(content: Reader): void {
    for (let count = content.count('functions'); count > 0; count--) {
      const type = content.u32();
      if (type >= this.parameters.length) content.refuse(`there is no type ${type}`, content.at - 1);
      this.types.push(type);
    }
    ended(content);
  }

  private capTables(content: Reader): void {
    const count = content.count('tables');
    if (count > MOST_TABLES) content.refuse(`${count} tables, of which at most ${MOST_TABLES} are allowed`);
    const { section } = this;
    section.clear();
    section.u32(count);
    for (let i = count; i > 0; i--) {
      section.byte(valueType(content));
      this.limits(content, 'table', TABLE_ENTRIES, 'entries');
    }
    ended(content);
    this.put(SECTION.table);
  }

  private capMemory(content: Reader): void {
    const count = content.count('memories');
    if (count > 1) content.refuse('several memories', content.at - 1);
    const { section } = this;
    section.clear();
    section.u32(count);
    if (count === 1) this.memory = this.limits(content, 'memory', this.memoryPages, 'pages');
    ended(content);
    this.put(SECTION.memory);
  }

  /** Copies limits, with a maximum of at most `cap`. */
  private limits(content: Reader, what: 'table' | 'memory', cap: number, unit: string): Metered['memory'] {
    const at = content.at;
    const flags = content.byte();
    if ((flags & 2) !== 0) content.refuse(`threads (a shared ${what})`, at);
    if ((flags & 4) !== 0) content.refuse(`a 64-bit ${what}`, at);
    if (flags > 1) content.refuse(`an unknown kind of ${what}`, at);
    const minimum = content.u32();
    const declared = flags === 1 ? content.u32() : what === 'memory' ? ALL_PAGES : cap;
    if (minimum > cap) content.refuse(`its ${what} begins with ${minimum} ${unit}, at most ${cap} are allowed`, at);
    const maximum = Math.min(declared, cap);
    this.section.byte(1);
    this.section.u32(minimum);
    this.section.u32(maximum);
    return { minimum, maximum };
  }

  /** The globals there are, and the fuel behind them. */
  private addGlobal(count: number, content?: Reader): void {
    const { section } = this;
    this.hasGlobals = true;
    this.globals += count;
    section.u32(count + 1);
    if (content !== undefined) section.copy(content.bytes, content.at, content.end);
    // i32, mutable, i32.const 0, end
    section.raw(0x7f, 1, 0x41, 0, 0x0b);
  }

  private rewriteExports(content: Reader): void {
    const count = content.count('exports');
    const from = content.at;
    for (let i = count; i > 0; i--) {
      const at = content.at;
      const name = content.name();
      const kind = content.byte();
      const index = content.u32();
      if (name === FUEL_GLOBAL || name === START_EXPORT) content.refuse(`exports ${name}, a name of the mesh,`, at);
      if (kind === 3 && index >= this.globals) content.refuse(`there is no global ${index}`, at);
    }
    ended(content);
    this.section.clear();
    this.addExports(count, new Reader(content.bytes, from, content.end));
    this.put(SECTION.export);
  }

  private addExports(count: number, content?: Reader): void {
    const { section } = this;
    this.hasExports = true;
    section.u32(count + (this.start < 0 ? 1 : 2));
    if (content !== undefined) section.copy(content.bytes, content.at, content.end);
    section.name(FUEL_GLOBAL);
    section.byte(3);
    section.u32(this.globals);
    if (this.start < 0) return;
    section.name(START_EXPORT);
    section.byte(0);
    section.u32(this.start);
  }

  private rewriteCode(content: Reader): void {
    const count = content.count('functions');
    if (count !== this.types.length) {
      content.refuse(`${this.types.length} functions are declared, ${count} are there`);
    }
    const module: Surroundings = {
      importedFunctions: this.importedFunctions,
      globals: this.globals,
      fuel: this.globals,
    };
    const { section, body } = this;
    section.clear();
    section.u32(count);
    for (const type of this.types) {
      const function_ = content.piece(content.u32());
      body.clear();
      this.charges += meterBody(function_, this.parameters[type], module, body);
      section.sized(body);
    }
    this.bodies = count;
    ended(content);
    this.put(SECTION.code);
  }

  private put(id: number): void {
    this.out.byte(id);
    this.out.sized(this.section);
  }
}

function ended(content: Reader): void {
  if (!content.done) content.refuse('a section is longer than what is in it');
}
