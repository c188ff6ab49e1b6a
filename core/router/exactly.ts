// Lists that are kept for as long as a snapshot is, of which a large mesh has tens of thousands: one that grew item by item has room
// for seventeen.

const NOTHING: readonly never[] = Object.freeze([]);

/** The same items, with room for no more. */
export function exactly<Item>(list: readonly Item[]): readonly Item[] {
  return list.length === 0 ? NOTHING : list.slice();
}
