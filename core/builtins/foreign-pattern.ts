// Host function of the built-in filters: whether a text matches one of the configuration's regular expressions, as a whole.
//   weft_matches(u16 pattern | text)  Ok: it does

import { Status } from '../wasm/abi/abi.ts';
import type { ForeignFunction } from '../wasm/abi/foreign.ts';

/** Of the route's configuration where the stream has one, else of the filter's. */
export const matchesPattern: ForeignFunction = ({ effective, memory }, at, length) => {
  if (effective === null || length < 2) return Status.BadArgument;
  const configuration = effective.config ?? effective.plugin.spec.builtin;
  const pattern = configuration?.patterns[memory.bytes.readUInt16LE(at)];
  if (pattern === undefined) return Status.BadArgument;
  return pattern.matches(memory.latin1(at + 2, length - 2)) ? Status.Ok : Status.NotFound;
};
