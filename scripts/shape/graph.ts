// What imports amount to: files that need each other in a circle, and how many files stand upon each other.

interface Edge {
  readonly from: string;
  readonly to: string;
}

/** Groups of files that each lead to all others of their group, the files of each sorted; lower ones come before those above. */
export function circles(edges: readonly Edge[]): string[][] {
  return groups(edges).filter((group) => group.length > 1);
}

/** The most files that stand upon each other, from the top one down. Of a circle that the way leads through, one. */
export function longestChain(edges: readonly Edge[]): string[] {
  const below = targets(edges);
  const chains = new Map<string, readonly string[]>();
  let longest: readonly string[] = [];
  for (const group of groups(edges)) {
    let under: readonly string[] = [];
    for (const file of group) {
      for (const target of below.get(file) ?? []) {
        const chain = group.includes(target) ? [] : chains.get(target)!;
        if (chain.length > under.length) under = chain;
      }
    }
    for (const file of group) chains.set(file, [file, ...under]);
    if (under.length + 1 > longest.length) longest = [group[0], ...under];
  }
  return [...longest];
}

/** Strongly connected components (Tarjan), each after all that it leads to. */
function groups(edges: readonly Edge[]): string[][] {
  const next = targets(edges);
  const found: string[][] = [];
  const numbers = new Map<string, number>();
  const open: string[] = [];
  /** The lowest number that is reached from `file`. */
  const visit = (file: string): number => {
    const number = numbers.size;
    numbers.set(file, number);
    open.push(file);
    let low = number;
    for (const target of next.get(file) ?? []) {
      if (!numbers.has(target)) low = Math.min(low, visit(target));
      else if (open.includes(target)) low = Math.min(low, numbers.get(target)!);
    }
    if (low === number) found.push(open.splice(open.indexOf(file)).sort());
    return low;
  };
  for (const file of next.keys()) if (!numbers.has(file)) visit(file);
  return found;
}

/** By file; a file that imports nothing is there, too. */
function targets(edges: readonly Edge[]): Map<string, string[]> {
  const next = new Map<string, string[]>();
  for (const { from, to } of edges) {
    const of = next.get(from);
    if (of === undefined) next.set(from, [to]);
    else of.push(to);
    if (!next.has(to)) next.set(to, []);
  }
  return next;
}
