// One value of a condition against one fact.

import {
  ATTRIBUTE_HEADER,
  ATTRIBUTE_HOST,
  ATTRIBUTE_ISSUER,
  VALUE_CIDR,
  VALUE_EXACT,
  VALUE_PREFIX,
  VALUE_PRESENT,
  VALUE_REQUEST_PRINCIPAL,
  VALUE_SUFFIX,
  VALUE_TEMPLATE,
} from '../../core/builtins/rbac/layout';
import { cursor } from '../sdk/cursor';
import { Slice } from '../sdk/slice';
import { inBlock } from './addresses';
import { valueOf } from './facts';
import { matchesTemplate } from './templates';

const COMMA: u8 = 0x2c;
const SPACE: u8 = 0x20;

export function matchesValue(attribute: i32, kind: i32, value: Slice, fact: Slice): bool {
  if (matchesText(kind, value, fact)) return true;
  // A header is present, whatever its value.
  if (attribute == ATTRIBUTE_HEADER) return kind == VALUE_PRESENT;
  // A host is also meant without the port that a client may have written behind it.
  if (attribute != ATTRIBUTE_HOST) return false;
  const colon = portStart(fact);
  return colon >= 0 && matchesText(kind, value, fact.part(0, colon));
}

/** True if one of several values, which are joined by commas, matches. */
export function matchesPart(kind: i32, value: Slice, fact: Slice): bool {
  if (fact.indexOf(COMMA) < 0) return false;
  for (let from = 0; from <= fact.length; ) {
    let to = fact.indexOf(COMMA, from);
    if (to < 0) to = fact.length;
    let start = from;
    let end = to;
    while (start < end && fact.at(start) <= SPACE) start++;
    while (end > start && fact.at(end - 1) <= SPACE) end--;
    if (matchesText(kind, value, fact.part(start, end))) return true;
    from = to + 1;
  }
  return false;
}

function matchesText(kind: i32, value: Slice, fact: Slice): bool {
  switch (kind) {
    case VALUE_EXACT:
      return fact.equals(value);
    case VALUE_PREFIX:
      return fact.startsWith(value);
    case VALUE_SUFFIX:
      return fact.endsWith(value);
    case VALUE_PRESENT:
      return fact.length > 0;
    case VALUE_CIDR:
      return inBlock(fact, value);
    case VALUE_TEMPLATE:
      return matchesTemplate(value, fact);
    case VALUE_REQUEST_PRINCIPAL:
      return matchesPrincipal(value, fact);
    default:
      return false;
  }
}

/** `fact` is the issuer, a slash and the subject. */
function matchesPrincipal(value: Slice, fact: Slice): bool {
  const issuer = valueOf(ATTRIBUTE_ISSUER, value);
  if (!issuer.exists) return false;
  const at = cursor(value.ptr);
  const kind = at.u8();
  if (!matchesText(kind, at.text(), issuer)) return false;
  const subjectKind = at.u8();
  return matchesText(subjectKind, at.text(), fact.part(issuer.length + 1, fact.length));
}

/** Place of the colon before a port, or -1. */
function portStart(host: Slice): i32 {
  let at = host.length - 1;
  while (at >= 0 && host.at(at) >= 48 && host.at(at) <= 57) at--;
  return at > 0 && at < host.length - 1 && host.at(at) == 0x3a ? at : -1;
}
