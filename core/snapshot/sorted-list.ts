// Lists that are kept in the order of their items' ranks.

export interface Ranked {
  readonly rank: string;
}

export function insertByRank<Item extends Ranked>(list: Item[], item: Item): void {
  list.splice(placeOf(list, item.rank), 0, item);
}

export function removeByRank(list: Ranked[], rank: string): void {
  const at = placeOf(list, rank);
  if (list[at]?.rank === rank) list.splice(at, 1);
}

/** Of the first whose rank is not lower. */
function placeOf(list: readonly Ranked[], rank: string): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle].rank < rank) low = middle + 1;
    else high = middle;
  }
  return low;
}
