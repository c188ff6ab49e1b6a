// rbac: AuthorizationPolicy at a workload. Denials first, then, if any policy allows, one of them has to match. The
// configuration is interpreted where it lies (its bytes are drawn in README.md); facts of the request are fetched when a
// condition first asks for them. A fact that is not there satisfies no condition but a negated one.

import { Action, bytes, Head, HttpFilter, Level, log, register, reply, Slice, slice } from '../sdk/index';
import { temporary } from '../sdk/arena';
import { Cursor, cursor } from '../sdk/cursor';
import { Attribute, beginRequest, valueOf } from './facts';
import { matchesValue } from './values';

const VERSION: u8 = 1;

const CONTENT_TYPE = bytes('content-type');
const GRPC = bytes('application/grpc');
const BODY = bytes('RBAC: access denied');
const MATCHED = bytes('rbac_access_denied_matched_policy[');
const RULE = bytes('-rule[');
const NONE = bytes('rbac_access_denied_matched_policy[none]');
const PERMISSION_DENIED: i32 = 7;

class Rbac extends HttpFilter {
  private policies: Slice = slice(0, 0);

  onConfigure(configuration: Slice): bool {
    if (configuration.length < 6 || configuration.at(0) != VERSION) {
      log(Level.Error, 'the configuration is of another version than the filter');
      return false;
    }
    this.policies = configuration.keep();
    return true;
  }

  onRetired(): void {
    if (this.policies.length > 0) this.policies.release();
  }

  onRequestHeaders(head: Head): Action {
    const policies = this.policies;
    beginRequest(head, policies.at(1) != 0);
    const at = cursor(policies.ptr + 2);
    for (let count = at.u16(); count > 0; count--) {
      const next = at.sized();
      const name = at.text();
      const rule = matchingRule(at);
      if (rule >= 0) return deny(head, detailsOf(name, rule));
      at.position = next;
    }
    let allowing = at.u16();
    if (allowing == 0) return Action.Continue;
    for (; allowing > 0; allowing--) {
      const next = at.sized();
      at.text();
      if (matchingRule(at) >= 0) return Action.Continue;
      at.position = next;
    }
    return deny(head, NONE);
  }
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
    if (attribute == Attribute.Claim ? anyMatches(kind, value, fact) : matchesValue(attribute, kind, value, fact)) {
      return !negated;
    }
  }
  return negated;
}

/** A claim is a list; one of its texts is enough. */
function anyMatches(kind: u8, value: Slice, texts: Slice): bool {
  const at = cursor(texts.ptr);
  for (let count = at.u16(); count > 0; count--) {
    if (matchesValue(Attribute.Claim, kind, value, at.text())) return true;
  }
  return false;
}

function deny(head: Head, details: Slice): Action {
  const calls = head.get(CONTENT_TYPE).startsWith(GRPC);
  reply(403, BODY, details, calls ? PERMISSION_DENIED : -1);
  return Action.Pause;
}

/** rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]] */
function detailsOf(policy: Slice, rule: i32): Slice {
  const start = temporary(MATCHED.length + policy.length + RULE.length + 16);
  let to = start;
  to = append(to, MATCHED);
  to = append(to, policy);
  to = append(to, RULE);
  let digits = 1;
  for (let rest = rule / 10; rest > 0; rest /= 10) digits++;
  for (let i = digits - 1, rest = rule; i >= 0; i--, rest /= 10) store<u8>(to + i, 48 + (rest % 10));
  to += digits;
  store<u8>(to++, 93);
  store<u8>(to++, 93);
  return slice(start, <i32>(to - start));
}

function append(to: usize, text: Slice): usize {
  memory.copy(to, text.ptr, text.length);
  return to + text.length;
}

register(() => new Rbac());
