// A format's text taken apart: literals, and the operators between percent signs. What becomes of them is the log's
// (log-format.ts) or a header value's (header-format.ts).

import { UnknownOperator } from './operators.ts';
import { BadTimeFormat } from './start-time.ts';

/** The message says what is wrong, and at which character. */
export class BadFormat extends Error {
  constructor(format: string, at: number, what: string) {
    super(`${what}, at character ${at + 1} of the format: ${JSON.stringify(format.slice(at, at + 40))}`);
  }
}

/** A literal and the operator behind it; `name` null: the end of the format. */
export interface FormatPart {
  readonly literal: string;
  readonly name: string | null;
  readonly argument: string | undefined;
  /** Characters of the value; undefined: all. */
  readonly max: number | undefined;
  /** Where the operator begins in the format. */
  readonly at: number;
}

const OPERATOR = /%(?:%|([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?(?::(\d{1,6}))?%)/y;

/** Throws BadFormat. */
export function parseFormat(format: string): FormatPart[] {
  const parts: FormatPart[] = [];
  let literal = '';
  let at = 0;
  for (let percent = format.indexOf('%'); percent >= 0; percent = format.indexOf('%', at)) {
    OPERATOR.lastIndex = percent;
    const match = OPERATOR.exec(format);
    if (match === null) throw new BadFormat(format, percent, 'no operator begins here (a percent sign is written %%)');
    literal += format.slice(at, percent);
    at = OPERATOR.lastIndex;
    const [, name, argument, max] = match;
    if (name === undefined) {
      literal += '%';
      continue;
    }
    parts.push({ literal, name, argument, max: max === undefined ? undefined : Number(max), at: percent });
    literal = '';
  }
  parts.push({
    literal: literal + format.slice(at),
    name: null,
    argument: undefined,
    max: undefined,
    at: format.length,
  });
  return parts;
}

/** What `make` throws of an operator, with its place in the format. */
export function atPlace<Made>(format: string, at: number, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    if (error instanceof UnknownOperator || error instanceof BadTimeFormat)
      throw new BadFormat(format, at, error.message);
    throw error;
  }
}

const WIDE = /[\u0100-\uffff]/;

/** One character a byte: what came off the wire is that already; a name from the configuration may be any text. */
export function wireText(value: string): string {
  return WIDE.test(value) ? Buffer.from(value, 'utf8').toString('latin1') : value;
}
