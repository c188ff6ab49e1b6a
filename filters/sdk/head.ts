// The head of a message (or its trailers) as a filter sees it.

import {
  OK,
  proxy_add_header_map_value,
  proxy_get_header_map_pairs,
  proxy_get_header_map_value,
  proxy_remove_header_map_value,
  proxy_replace_header_map_value,
} from './abi';
import { framed, outdated, wish } from './frame';
import { PairReader, readPairs } from './pairs';
import { bytes, Slice, slice } from './slice';

@unmanaged
export class Head {
  /** Fields, pseudo-headers included. */
  count: i32 = 0;
  /** No body follows. */
  end: bool = false;

  constructor(private readonly map: u32) {}

  /** The value, or one that does not exist. Values of a repeated name are joined with ", ". */
  get(name: Slice): Slice {
    const value = slice(0, 0);
    const at = changetype<usize>(value);
    if (name.slot != 0) {
      const given = framed(name.slot, this.map);
      if (given != 0) {
        store<u64>(at, load<u64>(given));
        value.exists = load<bool>(given, offsetof<Slice>('exists'));
        return value;
      }
      wish(name, this.map);
    }
    value.exists =
      proxy_get_header_map_value(this.map, name.ptr, name.length, at, at + offsetof<Slice>('length')) == OK;
    return value;
  }

  /** All fields: `for (const all = head.pairs(); all.next(); ) all.name, all.value`. A repeated name occurs repeatedly. */
  pairs(): PairReader {
    const list = slice(0, 0);
    const at = changetype<usize>(list);
    proxy_get_header_map_pairs(this.map, at, at + offsetof<Slice>('length'));
    return readPairs(list);
  }

  has(name: Slice): bool {
    return this.get(name).exists;
  }

  /** One value in place of all that there are. */
  set(name: Slice, value: Slice): void {
    outdated();
    proxy_replace_header_map_value(this.map, name.ptr, name.length, value.ptr, value.length);
  }

  add(name: Slice, value: Slice): void {
    outdated();
    proxy_add_header_map_value(this.map, name.ptr, name.length, value.ptr, value.length);
  }

  remove(name: Slice): void {
    outdated();
    proxy_remove_header_map_value(this.map, name.ptr, name.length);
  }
}

// @ts-ignore: decorator
@lazy
export const PATH = bytes(':path');
// @ts-ignore: decorator
@lazy
export const METHOD = bytes(':method');
// @ts-ignore: decorator
@lazy
export const AUTHORITY = bytes(':authority');
// @ts-ignore: decorator
@lazy
export const SCHEME = bytes(':scheme');
// @ts-ignore: decorator
@lazy
export const STATUS = bytes(':status');
