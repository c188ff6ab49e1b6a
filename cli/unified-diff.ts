// The difference of two texts by lines, as `diff -u` writes it.

const CONTEXT = 3;
/** Beyond this the exact comparison would take too much memory: everything is then told as replaced. */
const MAX_CELLS = 25_000_000;

interface Step {
  readonly sign: ' ' | '-' | '+';
  readonly line: string;
}

/** Lines of the diff; none when the texts are the same. `names`: of the old and of the new one. */
export function unifiedDiff(names: readonly [string, string], before: string, after: string): string[] {
  if (before === after) return [];
  const steps = compare(linesOf(before), linesOf(after));
  const lines = [`--- ${names[0]}`, `+++ ${names[1]}`];
  for (const [from, to] of hunks(steps)) {
    const at = { old: count(steps, 0, from, '+') + 1, new: count(steps, 0, from, '-') + 1 };
    const size = { old: count(steps, from, to, '+'), new: count(steps, from, to, '-') };
    lines.push(`@@ -${range(at.old, size.old)} +${range(at.new, size.new)} @@`);
    for (const { sign, line } of steps.slice(from, to)) lines.push(sign + line);
  }
  return lines;
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

/** By the longest common subsequence of lines. */
function compare(before: readonly string[], after: readonly string[]): Step[] {
  const width = after.length + 1;
  const exact = (before.length + 1) * width <= MAX_CELLS;
  const longest = new Uint32Array(exact ? (before.length + 1) * width : 0);
  for (let i = before.length - 1; exact && i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      longest[i * width + j] =
        before[i] === after[j]
          ? longest[(i + 1) * width + j + 1] + 1
          : Math.max(longest[(i + 1) * width + j], longest[i * width + j + 1]);
    }
  }
  const steps: Step[] = [];
  let i = 0;
  let j = 0;
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      steps.push({ sign: ' ', line: before[i++] });
      j++;
    } else if (
      i < before.length &&
      (!exact || j === after.length || longest[(i + 1) * width + j] >= longest[i * width + j + 1])
    ) {
      steps.push({ sign: '-', line: before[i++] });
    } else {
      steps.push({ sign: '+', line: after[j++] });
    }
  }
  return steps;
}

/** Ranges of steps: changes with some lines around them, neighbours joined. */
function hunks(steps: readonly Step[]): [number, number][] {
  const found: [number, number][] = [];
  for (const [at, { sign }] of steps.entries()) {
    if (sign === ' ') continue;
    const from = Math.max(0, at - CONTEXT);
    const to = Math.min(steps.length, at + CONTEXT + 1);
    const last = found.at(-1);
    if (last !== undefined && from <= last[1]) last[1] = to;
    else found.push([from, to]);
  }
  return found;
}

/** Steps that are not of this sign. */
function count(steps: readonly Step[], from: number, to: number, without: Step['sign']): number {
  let found = 0;
  for (let at = from; at < to; at++) if (steps[at].sign !== without) found++;
  return found;
}

function range(start: number, size: number): string {
  return size === 1 ? `${start}` : `${size === 0 ? start - 1 : start},${size}`;
}
