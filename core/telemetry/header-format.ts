// The value of a header as a route gives it: text with the operators of the access log, filled in for each exchange.

import type { ExchangeRecord } from '../exchange/record.ts';
import { atPlace, BadFormat, parseFormat, wireText } from './format.ts';
import { operatorNamed } from './operators.ts';

/** One character a byte; what is not known is nothing. */
export type HeaderFormat = (record: ExchangeRecord) => string;

/** A value without operators is itself. Throws BadFormat. */
export function headerFormat(value: string): string | HeaderFormat {
  const parts = parseFormat(value).map(({ literal, name, argument, max, at }) => ({
    literal: Buffer.from(literal).toString('latin1'),
    read: name === null ? null : atPlace(value, at, () => operatorNamed(name, argument)),
    max: max ?? Number.POSITIVE_INFINITY,
  }));
  if (parts.length === 1) return parts[0].literal;
  return (record) => {
    let text = '';
    for (const { literal, read, max } of parts) {
      text += literal;
      const found = read === null ? undefined : read(record);
      if (found === undefined) continue;
      const written = typeof found === 'string' ? wireText(found) : String(found);
      text += written.length > max ? written.slice(0, max) : written;
    }
    return text;
  };
}

/** Why the value is none, or null. */
export function headerFormatFault(value: string): string | null {
  try {
    headerFormat(value);
    return null;
  } catch (error) {
    if (error instanceof BadFormat) return error.message;
    throw error;
  }
}
