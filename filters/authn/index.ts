// authn: RequestAuthentication at a workload. Finds tokens where the rules look for them and has the host judge each; one
// that is not valid refuses the request, none lets it pass where no rule requires one. What the rules write is taken from the
// request first, so that no client writes it. The configuration's bytes are drawn in core/builtins/authn/layout.ts.

import { VERSION } from '../../core/builtins/authn/layout';
import {
  Action,
  bytes,
  Head,
  HttpFilter,
  Level,
  log,
  METHOD,
  NOTHING,
  pairs,
  register,
  replyWith,
  Slice,
  slice,
} from '../sdk/index';
import { temporary } from '../sdk/arena';
import { Cursor, cursor } from '../sdk/cursor';
import { askForeign, callForeign } from '../sdk/stream';
import { realmOf } from './realm';
import { Place, Tokens, withoutToken } from './places';

const TOKEN_RULES = bytes('weft_token_rules');
const VERIFY_TOKEN = bytes('weft_verify_token');
const CONTENT_TYPE = bytes('content-type');
const GRPC = bytes('application/grpc');
const DENIED = bytes('jwt_authn_access_denied{');
const AUTHENTICATE = bytes('www-authenticate');
const UNAUTHENTICATED: i32 = 16;
const MISSING = bytes('Jwt is missing');
const OPTIONS = bytes('OPTIONS');
const ORIGIN = bytes('origin');
const REQUESTED_METHOD = bytes('access-control-request-method');

/** A token that holds, until everything is known to hold. On the arena. */
@unmanaged
class Accepted {
  next: Accepted | null;
  place: Place;
  /** From its rule on. */
  judgement: usize;
}

class Authn extends HttpFilter {
  private configuration: Slice = NOTHING;
  /** Place behind the rules that the host reads. */
  private body: usize = 0;

  onConfigure(configuration: Slice): bool {
    if (configuration.length < 13 || configuration.at(0) != VERSION) {
      log(Level.Error, 'the configuration is of another version than the filter');
      return false;
    }
    const rules = load<u32>(configuration.ptr, 1);
    if (!callForeign(TOKEN_RULES, configuration.ptr + 5, rules)) {
      log(Level.Error, 'this host verifies no tokens: authn runs in Weft only');
      return false;
    }
    this.configuration = configuration.keep();
    this.body = this.configuration.ptr + 5 + rules;
    return true;
  }

  onRetired(): void {
    if (this.configuration.length > 0) this.configuration.release();
  }

  onRequestHeaders(head: Head): Action {
    const at = cursor(this.body);
    for (let count = at.u16(); count > 0; count--) head.remove(at.text());
    const required = at.u16();
    const met = temporary(required);
    memory.fill(met, 0, required);
    let first: Accepted | null = null;
    let last: Accepted | null = null;
    const places = at.u16();
    for (let index: u32 = 0; index < places; index++) {
      const place = Place.read(at);
      const tokens = Tokens.at(place, head);
      for (let token = tokens.next(); token.exists; token = tokens.next()) {
        const judgement = judge(index, token);
        if (!judgement.exists || judgement.at(0) != 0) return deny(head, judgement);
        const accepted = changetype<Accepted>(temporary(offsetof<Accepted>()));
        accepted.next = null;
        accepted.place = place;
        accepted.judgement = noteMet(judgement.ptr + 1, met);
        if (last == null) first = accepted;
        else last.next = accepted;
        last = accepted;
      }
    }
    for (let i: u32 = 0; i < required; i++) {
      if (load<u8>(met + i) == 0 && !isPreflight(head)) return refuse(head, 401, MISSING);
    }
    const rules = at.position;
    while (first != null) {
      const one = changetype<Accepted>(first);
      apply(one, rules, head);
      first = one.next;
    }
    return Action.Continue;
  }
}

function judge(place: u32, token: Slice): Slice {
  const request = temporary(2 + token.length);
  store<u16>(request, place);
  memory.copy(request + 2, token.ptr, token.length);
  return askForeign(VERIFY_TOKEN, request, 2 + token.length);
}

/** Which rules that require a token this one satisfies. Gives what follows in the judgement. */
function noteMet(judgement: usize, met: usize): usize {
  const at = cursor(judgement);
  for (let count = at.u16(); count > 0; count--) store<u8>(met + at.u16(), 1);
  return at.position;
}

/** Browsers ask without a token whether they may send one. */
function isPreflight(head: Head): bool {
  return head.get(METHOD).equals(OPTIONS) && head.get(ORIGIN).exists && head.get(REQUESTED_METHOD).exists;
}

/** What the token's rule makes of it: u8 forwarded | text header of the payload | list of headers of claims. */
function apply(accepted: Accepted, rules: usize, head: Head): void {
  const judgement = cursor(accepted.judgement);
  const rule = ruleAt(rules, judgement.u16());
  if (rule.u8() == 0) withoutToken(accepted.place, head);
  const payloadHeader = rule.text();
  rule.u16();
  for (let count = judgement.u16(); count > 0; count--) {
    const header = rule.text();
    const known = judgement.u8() != 0;
    const value = judgement.text();
    if (known) head.set(header, value);
  }
  if (payloadHeader.length > 0) head.set(payloadHeader, judgement.text());
}

function ruleAt(rules: usize, index: u32): Cursor {
  const at = cursor(rules);
  at.u16();
  for (; index > 0; index--) at.position = at.sized();
  at.sized();
  return at;
}

function deny(head: Head, judgement: Slice): Action {
  if (!judgement.exists) return refuse(head, 401, slice(0, 0));
  const at = cursor(judgement.ptr + 1);
  const status = at.u16();
  return refuse(head, status, at.text());
}

function refuse(head: Head, status: i32, why: Slice): Action {
  const details = temporary(DENIED.length + why.length + 1);
  memory.copy(details, DENIED.ptr, DENIED.length);
  memory.copy(details + DENIED.length, why.ptr, why.length);
  store<u8>(details + DENIED.length + why.length, 0x7d);
  const calls = head.get(CONTENT_TYPE).startsWith(GRPC);
  const grpcStatus = calls ? UNAUTHENTICATED : -1;
  const told = slice(details, DENIED.length + why.length + 1);
  replyWith(status, why, told, grpcStatus, pairs().add(AUTHENTICATE, realmOf(head, why.ptr != MISSING.ptr)));
  return Action.Pause;
}

register(() => new Authn());
