// One value of a condition against one fact.

import { Slice } from '../sdk/slice';
import { inBlock } from './addresses';
import { Attribute } from './facts';
import { matchesTemplate } from './templates';

namespace Kind {
  export const Exact: u8 = 0;
  export const Prefix: u8 = 1;
  export const Suffix: u8 = 2;
  export const Present: u8 = 3;
  export const Cidr: u8 = 4;
  export const Template: u8 = 5;
}

export function matchesValue(attribute: u8, kind: u8, value: Slice, fact: Slice): bool {
  if (matchesText(kind, value, fact)) return true;
  // A host is also meant without the port that a client may have written behind it.
  if (attribute != Attribute.Host) return false;
  const colon = portStart(fact);
  return colon >= 0 && matchesText(kind, value, fact.part(0, colon));
}

function matchesText(kind: u8, value: Slice, fact: Slice): bool {
  switch (kind) {
    case Kind.Exact:
      return fact.equals(value);
    case Kind.Prefix:
      return fact.startsWith(value);
    case Kind.Suffix:
      return fact.endsWith(value);
    case Kind.Present:
      return fact.length > 0;
    case Kind.Cidr:
      return inBlock(fact, value);
    case Kind.Template:
      return matchesTemplate(value, fact);
    default:
      return false;
  }
}

/** Place of the colon before a port, or -1. */
function portStart(host: Slice): i32 {
  let at = host.length - 1;
  while (at >= 0 && host.at(at) >= 48 && host.at(at) <= 57) at--;
  return at > 0 && at < host.length - 1 && host.at(at) == 0x3a ? at : -1;
}
