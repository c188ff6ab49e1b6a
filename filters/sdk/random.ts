// Chance: xorshift32, seeded by the host when the filter starts.

import { random_get } from './abi';

let state: u32 = 0;

/** A number from 0 to below `bound`. */
export function randomBelow(bound: u32): u32 {
  if (state == 0) seed();
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return <u32>((<u64>state * bound) >> 32);
}

function seed(): void {
  const at = memory.data(4);
  random_get(at, 4);
  state = load<u32>(at) | 1;
}
