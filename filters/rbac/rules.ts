// Whether policies match a request: the configuration is interpreted where it lies. Its bytes are drawn in
// core/builtins/rbac/layout.ts.

import { ATTRIBUTE_CLAIM, ATTRIBUTE_HEADER } from '../../core/builtins/rbac/layout';
import { Cursor, cursor } from '../sdk/cursor';
import { decimal } from '../sdk/number';
import { bytes, concat, NOTHING, Slice, slice } from '../sdk/slice';
import { valueOf } from './facts';
import { matchesPart, matchesValue } from './values';

const RULE = bytes('-rule[');

/** Of the policy that matched last: `ns[a]-policy[b]`, and the index of its rule. */
let policy: Slice = NOTHING;
let index: i32 = -1;

/** The list that is evaluated speaks against the request: what is in doubt counts as a match. */
let against: bool = false;

/** True if a policy of this list matches. `speaksAgainst`: a match is bad for the request. */
export function anyMatches(list: usize, speaksAgainst: bool): bool {
  against = speaksAgainst;
  const at = cursor(list);
  for (let count = at.u16(); count > 0; count--) {
    const next = at.sized();
    const name = at.text();
    const rule = matchingRule(at);
    if (rule >= 0) {
      policy = name;
      index = rule;
      return true;
    }
    at.position = next;
  }
  return false;
}

/** `before` ns[a]-policy[b]-rule[0 `behind`, of the rule that matched last. */
export function matchedRule(before: Slice, behind: Slice): Slice {
  return concat(concat(concat(before, policy), concat(RULE, decimal(index))), behind);
}

export function isEmpty(list: usize): bool {
  return load<u16>(list) == 0;
}

/** Place behind this list. */
export function behind(list: usize): usize {
  const at = cursor(list);
  for (let count = at.u16(); count > 0; count--) at.position = at.sized();
  return at.position;
}

/** Index of the first rule of a policy that matches, or -1. */
function matchingRule(at: Cursor): i32 {
  for (let count = at.u16(); count > 0; count--) {
    const next = at.sized();
    const index = at.u16();
    if (anyOf(at) && anyOf(at) && allOf(at)) return index;
    at.position = next;
  }
  return -1;
}

/** One of the alternatives holds, or there are none. */
function anyOf(at: Cursor): bool {
  const count = at.u16();
  let holds = count == 0;
  for (let i: u32 = 0; i < count; i++) {
    if (holds) at.position = at.sized();
    else holds = allOf(at);
  }
  return holds;
}

/** Every match of a conjunction holds. Leaves the cursor behind it. */
function allOf(at: Cursor): bool {
  const end = at.sized();
  for (let count = at.u16(); count > 0; count--) {
    const next = at.sized();
    if (!holds(at)) {
      at.position = end;
      return false;
    }
    at.position = next;
  }
  at.position = end;
  return true;
}

function holds(at: Cursor): bool {
  const attribute = at.u8();
  const negated = at.u8() != 0;
  const key = at.text();
  const fact = valueOf(attribute, key);
  if (!fact.exists) return negated;
  for (let count = at.u16(); count > 0; count--) {
    const kind = at.u8();
    const value = at.text();
    if (attribute == ATTRIBUTE_CLAIM ? oneMatches(kind, value, fact) : matchesValue(attribute, kind, value, fact)) {
      return !negated;
    }
    // Of a header that was sent twice the application may read either.
    if (attribute == ATTRIBUTE_HEADER && against != negated && matchesPart(kind, value, fact)) return !negated;
  }
  return negated;
}

/** A claim is a list; one of its texts is enough. */
function oneMatches(kind: i32, value: Slice, texts: Slice): bool {
  const at = cursor(texts.ptr);
  for (let count = at.u16(); count > 0; count--) {
    if (matchesValue(ATTRIBUTE_CLAIM, kind, value, at.text())) return true;
  }
  return false;
}
