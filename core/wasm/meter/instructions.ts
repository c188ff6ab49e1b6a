// The instructions that the rewriter knows, and how long they are: the MVP, sign extension, saturating conversions, bulk
// memory, multiple values, references, SIMD and tail calls. Any other is refused; what it would cost is not known.
import type { Reader } from './reader.ts';

export const OP = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  call: 0x10,
  localGet: 0x20,
  localTee: 0x22,
  memoryGrow: 0x40,
  globalGet: 0x23,
  globalSet: 0x24,
  i32Const: 0x41,
  i32LtS: 0x48,
  i32Sub: 0x6b,
  i32ShrU: 0x76,
  bulk: 0xfc,
} as const;

/** Numbers behind 0xfc. */
export const BULK = {
  memoryInit: 8,
  memoryCopy: 10,
  memoryFill: 11,
  tableInit: 12,
  tableCopy: 14,
  tableGrow: 15,
  tableFill: 17,
} as const;

const NONE = 1;
const BLOCK_TYPE = 2;
const INDEX = 3;
const TWO_INDEXES = 4;
const MEMORY_ACCESS = 5;
const BRANCH_TABLE = 6;
const SELECT_TYPES = 7;
const I32 = 8;
const I64 = 9;
const F32 = 10;
const F64 = 11;
const MEMORY_INDEX = 12;
const REFERENCE_TYPE = 13;
const BULK_PREFIX = 14;
const SIMD_PREFIX = 15;

/** What follows an opcode; 0 = unknown. */
const SHAPES = new Uint8Array(256);
SHAPES.fill(NONE, 0x45, 0xc5);
SHAPES.fill(MEMORY_ACCESS, 0x28, 0x3f);
for (const opcode of [0x00, 0x01, 0x05, 0x0b, 0x0f, 0x1a, 0x1b, 0xd1]) SHAPES[opcode] = NONE;
for (const opcode of [0x02, 0x03, 0x04]) SHAPES[opcode] = BLOCK_TYPE;
for (const opcode of [0x0c, 0x0d, 0x10, 0x12, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0xd2]) SHAPES[opcode] = INDEX;
for (const opcode of [0x11, 0x13]) SHAPES[opcode] = TWO_INDEXES;
for (const opcode of [0x3f, 0x40]) SHAPES[opcode] = MEMORY_INDEX;
SHAPES[0x0e] = BRANCH_TABLE;
SHAPES[0x1c] = SELECT_TYPES;
SHAPES[0x41] = I32;
SHAPES[0x42] = I64;
SHAPES[0x43] = F32;
SHAPES[0x44] = F64;
SHAPES[0xd0] = REFERENCE_TYPE;
SHAPES[0xfc] = BULK_PREFIX;
SHAPES[0xfd] = SIMD_PREFIX;

/** i32 i64 f32 f64 v128 funcref externref */
const VALUE_TYPES = new Set([0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70, 0x6f]);

const FEATURES: Readonly<Record<number, string>> = {
  6: 'exception handling',
  7: 'exception handling',
  8: 'exception handling',
  9: 'exception handling',
  10: 'exception handling',
  24: 'exception handling',
  25: 'exception handling',
  31: 'exception handling',
  251: 'garbage-collected types',
  254: 'threads (atomic instructions)',
};

export function valueType(reader: Reader): number {
  const type = reader.byte();
  if (!VALUE_TYPES.has(type)) reader.refuse(`unknown value type 0x${type.toString(16)}`, reader.at - 1);
  return type;
}

/**
 * Passes what follows an opcode that has just been read. Returns an index or a prefixed instruction's number where there
 * is one, else 0.
 */
export function skipImmediates(reader: Reader, opcode: number): number {
  switch (SHAPES[opcode]) {
    case NONE:
      return 0;
    case BLOCK_TYPE:
      blockType(reader);
      return 0;
    case INDEX:
      return reader.u32();
    case TWO_INDEXES:
      reader.u32();
      return reader.u32();
    case MEMORY_ACCESS:
      memoryAccess(reader);
      return 0;
    case BRANCH_TABLE:
      for (let labels = reader.count('labels'); labels > 0; labels--) reader.u32();
      return reader.u32();
    case SELECT_TYPES:
      for (let types = reader.count('types'); types > 0; types--) valueType(reader);
      return 0;
    case I32:
      reader.skipSigned(32);
      return 0;
    case I64:
      reader.skipSigned(64);
      return 0;
    case F32:
      reader.skip(4);
      return 0;
    case F64:
      reader.skip(8);
      return 0;
    case MEMORY_INDEX:
      onlyMemory(reader);
      return 0;
    case REFERENCE_TYPE:
      valueType(reader);
      return 0;
    case BULK_PREFIX:
      return bulk(reader);
    case SIMD_PREFIX:
      return simd(reader);
    default:
      return unknown(reader, opcode);
  }
}

function unknown(reader: Reader, opcode: number): never {
  const feature = FEATURES[opcode];
  const what = `0x${opcode.toString(16).padStart(2, '0')}`;
  reader.refuse(feature === undefined ? `unknown opcode ${what}` : `${feature}, opcode ${what},`, reader.at - 1);
}

function blockType(reader: Reader): void {
  const first = reader.bytes[reader.at];
  if (first === 0x40) reader.byte();
  else if (first >= 0x80 || first < 0x40) reader.skipSigned(33);
  else valueType(reader);
}

function memoryAccess(reader: Reader): void {
  const from = reader.at;
  if ((reader.u32() & 0x40) !== 0) reader.refuse('several memories', from);
  reader.u32();
}

function onlyMemory(reader: Reader): void {
  if (reader.u32() !== 0) reader.refuse('several memories', reader.at - 1);
}

function bulk(reader: Reader): number {
  const from = reader.at - 1;
  const number = reader.u32();
  // Saturating conversions.
  if (number < 8) return number;
  switch (number) {
    case BULK.memoryInit:
      reader.u32();
      onlyMemory(reader);
      break;
    case BULK.memoryCopy:
      onlyMemory(reader);
      onlyMemory(reader);
      break;
    case BULK.memoryFill:
      onlyMemory(reader);
      break;
    case BULK.tableInit:
    case BULK.tableCopy:
      reader.u32();
      reader.u32();
      break;
    case 9:
    case 13:
    case BULK.tableGrow:
    case 16:
    case BULK.tableFill:
      reader.u32();
      break;
    default:
      reader.refuse(`unknown opcode 0xfc ${number}`, from);
  }
  return number;
}

function simd(reader: Reader): number {
  const from = reader.at - 1;
  const number = reader.u32();
  if (number > 0x113) reader.refuse(`unknown opcode 0xfd ${number}`, from);
  if (number <= 11 || number === 92 || number === 93) memoryAccess(reader);
  else if (number >= 84 && number <= 91) {
    memoryAccess(reader);
    reader.byte();
  } else if (number === 12 || number === 13) reader.skip(16);
  else if (number >= 21 && number <= 34) reader.byte();
  return number;
}
