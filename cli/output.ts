// What `mesh` prints: results on standard output, everything about them on standard error. Colours only on a terminal.
import { styleText } from 'node:util';
import type { Problem } from '../core/config/resource.ts';
import { printable } from './printable.ts';

export function print(line: string): void {
  process.stdout.write(`${shown(line)}\n`);
}

/** Progress and advice: never part of a result. */
export function note(line: string): void {
  process.stderr.write(`${shown(line)}\n`);
}

/** The sequences of `paint`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
const COLOURS = /(\x1b\[(?:1|2|22|31|32|33|39)m)/;

/** Much of it comes from others, who may colour their words and do nothing else to a terminal. */
function shown(line: string): string {
  return line
    .split(COLOURS)
    .map((part, at) => (at % 2 === 1 ? part : printable(part)))
    .join('');
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Columns as wide as their widest cell, three spaces apart. No cell makes a row of its own. */
export function table(titles: readonly string[], cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map(oneLine));
  const widths = titles.map((title, at) => rows.reduce((most, row) => Math.max(most, row[at].length), title.length));
  return [titles, ...rows]
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at]))
        .join('   ')
        .trimEnd(),
    )
    .join('\n');
}

/** Words of others beside our own, which cannot look like a line of ours. */
export function oneLine(text: string): string {
  return text.replaceAll('\n', '\\n');
}

/** 'reviews.yaml:12:5 /spec/http/0/route: message', as far as it is known where. */
export function describeProblem({ file, line, column, pointer, resource, message }: Problem): string {
  const place = [file, line, column].filter((part) => part !== undefined).join(':');
  const where = [place || resource, pointer].filter((part) => part !== undefined && part !== '').join(' ');
  return where === '' ? message : `${where}: ${message}`;
}

/** As the stream and its reader want it: in colour on terminals, not where NO_COLOR asks for none. */
export function paint(
  colour: 'red' | 'green' | 'yellow' | 'dim' | 'bold',
  text: string,
  stream: NodeJS.WriteStream = process.stdout,
): string {
  return styleText(colour, text, { stream });
}
