// The difference of two texts by lines, as `diff -u` writes it.
import { FILE_HEADERS_ONLY, formatPatch, structuredPatch } from 'diff';

/** The search takes the square of what differs: a fraction of a second for so many lines. With more, everything is told as replaced. */
const MOST_EDITS = 1_000;

/** Lines of the diff; none when the texts are the same. `names`: of the old and of the new one. */
export function unifiedDiff([from, to]: readonly [string, string], before: string, after: string): string[] {
  const [old, now] = [whole(before), whole(after)];
  if (old === now) return [];
  const options = { context: 3, maxEditLength: MOST_EDITS };
  const patch = structuredPatch(from, to, old, now, undefined, undefined, options) ?? replaced(from, to, old, now);
  return formatPatch(patch, FILE_HEADERS_ONLY).replace(/\n$/, '').split('\n');
}

/** With the end of its last line. */
function whole(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

function replaced(oldFileName: string, newFileName: string, before: string, after: string) {
  const [old, now] = [before, after].map((text) => text.split('\n').slice(0, -1));
  const lines = [...old.map((line) => `-${line}`), ...now.map((line) => `+${line}`)];
  const hunk = { oldStart: 1, oldLines: old.length, newStart: 1, newLines: now.length, lines };
  return { oldFileName, newFileName, oldHeader: undefined, newHeader: undefined, index: undefined, hunks: [hunk] };
}
