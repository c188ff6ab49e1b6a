// One function's body: finds where to charge, and writes it anew with the charges in it.
//
// Every run of instructions is paid for before it runs: at the function's entry, at the head of a loop (each time round),
// or after the `if`, `else` or `end` where it begins. The first short branches are paid by the head around them, whether
// they are taken or not. Bulk instructions pay for their length where they are.

import { BULK, OP, skipImmediates, valueType } from './instructions.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/**
 * How many instructions of branches a function's entry or a loop's head pays for, taken or not. Small loops are charged
 * at one place by that, and large functions that jump about in one loop (Go's) for little that they do not run.
 */
const SHORT = 48;
/** A call of the host costs what this many instructions do. */
const HOST_CALL = 100;
/** To grow the memory, also by nothing, makes the host look at it anew. */
const GROW = 10_000;
/** Bytes that a bulk instruction moves for one unit, as a power of two. */
const BYTES_SHIFT = 4;
const MOST_LOCALS = 50_000;
const EMPTY_BLOCK = 0x40;
const I32_TYPE = 0x7f;

/** What a body needs to know of its module. */
export interface Surroundings {
  readonly importedFunctions: number;
  readonly globals: number;
  /** Index of the fuel. */
  readonly fuel: number;
}

/** Where a body is charged: offsets of the module, in order. */
interface Charges {
  readonly at: number[];
  readonly cost: number[];
  /** Before bulk instructions: offset, and by how many bits their length is shifted. */
  readonly bulkAt: number[];
  readonly bulkShift: number[];
}

/** Writes the body of `reader` (behind its size) to `out`. Returns the number of charges. */
export function meterBody(reader: Reader, parameters: number, module: Surroundings, out: Writer): number {
  const { bytes } = reader;
  const groupsAt = reader.at;
  let groups = reader.count('groups of locals');
  const localsAt = reader.at;
  let locals = parameters;
  for (let i = groups; i > 0; i--) {
    locals += reader.u32();
    if (locals > MOST_LOCALS) reader.refuse('too many locals', groupsAt);
    valueType(reader);
  }
  const codeAt = reader.at;
  const charges = findCharges(reader, module);
  const bulk = charges.bulkAt.length > 0;
  if (bulk) groups++;
  out.u32(groups);
  out.copy(bytes, localsAt, codeAt);
  if (bulk) out.raw(1, I32_TYPE);

  let copied = codeAt;
  let nextBulk = 0;
  const bulkUpTo = (limit: number): void => {
    for (; nextBulk < charges.bulkAt.length && charges.bulkAt[nextBulk] < limit; nextBulk++) {
      const at = charges.bulkAt[nextBulk];
      out.copy(bytes, copied, at);
      copied = at;
      chargeLength(out, module.fuel, locals, charges.bulkShift[nextBulk]);
    }
  };
  for (let i = 0; i < charges.at.length; i++) {
    const at = charges.at[i];
    bulkUpTo(at);
    out.copy(bytes, copied, at);
    copied = at;
    charge(out, module.fuel, Math.max(1, charges.cost[i]));
  }
  bulkUpTo(Number.POSITIVE_INFINITY);
  out.copy(bytes, copied, reader.end);
  return charges.at.length + charges.bulkAt.length;
}

function findCharges(reader: Reader, module: Surroundings): Charges {
  const charges: Charges = { at: [reader.at], cost: [0], bulkAt: [], bulkShift: [] };
  /** For every open block, which charge pays for what is short in it. */
  const heads = [0];
  /** For every charge, what branches it pays for. */
  const branches = [0];
  let runAt = reader.at;
  let run = 0;
  const runEnds = (): void => {
    const before = runAt;
    runAt = reader.at;
    if (run === 0) return;
    const head = heads[heads.length - 1];
    if (before === charges.at[head]) charges.cost[head] += run;
    else if (branches[head] + run <= SHORT) {
      branches[head] += run;
      charges.cost[head] += run;
    } else {
      charges.at.push(before);
      charges.cost.push(run);
      branches.push(0);
    }
    run = 0;
  };
  for (;;) {
    const at = reader.at;
    const opcode = reader.byte();
    const number = skipImmediates(reader, opcode);
    run++;
    switch (opcode) {
      case OP.block:
        // Only a bracket.
        run--;
        heads.push(heads[heads.length - 1]);
        break;
      case OP.loop:
        runEnds();
        heads.push(charges.at.length);
        charges.at.push(reader.at);
        charges.cost.push(0);
        branches.push(0);
        break;
      case OP.if:
        runEnds();
        heads.push(heads[heads.length - 1]);
        break;
      case OP.else:
        runEnds();
        break;
      case OP.end:
        run--;
        runEnds();
        heads.pop();
        if (heads.length > 0) break;
        if (!reader.done) reader.refuse('code behind the end of a function');
        return charges;
      case OP.call:
        if (number < module.importedFunctions) run += HOST_CALL;
        break;
      case OP.memoryGrow:
        run += GROW;
        break;
      case OP.globalGet:
      case OP.globalSet:
        // One more than there are would be the fuel.
        if (number >= module.globals) reader.refuse(`there is no global ${number}`, at);
        break;
      case OP.bulk: {
        const shift = lengthShift(number);
        if (shift < 0) break;
        charges.bulkAt.push(at);
        charges.bulkShift.push(shift);
        break;
      }
    }
  }
}

/** Bytes are cheaper than table entries; -1: its cost does not depend on a length. */
function lengthShift(number: number): number {
  switch (number) {
    case BULK.memoryInit:
    case BULK.memoryCopy:
    case BULK.memoryFill:
      return BYTES_SHIFT;
    case BULK.tableInit:
    case BULK.tableCopy:
    case BULK.tableGrow:
    case BULK.tableFill:
      return 0;
    default:
      return -1;
  }
}

/** fuel -= cost; if (fuel < 0) unreachable */
function charge(out: Writer, fuel: number, cost: number): void {
  out.byte(OP.globalGet);
  out.u32(fuel);
  out.byte(OP.i32Const);
  out.positive(cost);
  out.byte(OP.i32Sub);
  spend(out, fuel);
}

/** The same for the length on top of the stack, which stays there. */
function chargeLength(out: Writer, fuel: number, local: number, shift: number): void {
  out.byte(OP.localTee);
  out.u32(local);
  out.byte(OP.globalGet);
  out.u32(fuel);
  out.byte(OP.localGet);
  out.u32(local);
  // At least one bit, so that the sum cannot wrap around.
  out.raw(OP.i32Const, Math.max(1, shift), OP.i32ShrU, OP.i32Sub);
  spend(out, fuel);
}

function spend(out: Writer, fuel: number): void {
  out.byte(OP.globalSet);
  out.u32(fuel);
  out.byte(OP.globalGet);
  out.u32(fuel);
  out.raw(OP.i32Const, 0, OP.i32LtS, OP.if, EMPTY_BLOCK, OP.unreachable, OP.end);
}
