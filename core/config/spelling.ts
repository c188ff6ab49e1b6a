// "Did you mean": the known name that is closest to a misspelt one. Runs only when something is wrong already.

/** The known name within a third of its length in edits, or null. Case does not count as a difference. */
export function closest(given: string, known: Iterable<string>): string | null {
  if (given.length > 64) return null;
  let best: string | null = null;
  let bestDistance = Number.POSITIVE_INFINITY;
  const wanted = plain(given);
  for (const name of known) {
    const limit = Math.max(1, Math.floor(Math.max(given.length, name.length) / 3));
    const distance = edits(wanted, plain(name));
    if (distance <= limit && distance < bestDistance) {
      best = name;
      bestDistance = distance;
    }
  }
  return best;
}

/** snake_case and kebab-case are the commonest misspellings of camelCase. */
function plain(name: string): string {
  return name.replaceAll(/[_-]/g, '').toLowerCase();
}

/** Edits between two words, a swap of neighbours counting as one. */
function edits(left: string, right: string): number {
  let before: number[] = [];
  let last = Array.from({ length: right.length + 1 }, (_, j) => j);
  for (let i = 1; i <= left.length; i++) {
    const row = [i];
    for (let j = 1; j <= right.length; j++) {
      const same = left[i - 1] === right[j - 1] ? 0 : 1;
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + same);
      if (i > 1 && j > 1 && left[i - 1] === right[j - 2] && left[i - 2] === right[j - 1]) {
        row[j] = Math.min(row[j], before[j - 2] + 1);
      }
    }
    before = last;
    last = row;
  }
  return last[right.length];
}
