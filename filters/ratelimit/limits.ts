// What ratelimit does with a request: it builds the fingerprint of each limit's key from bytes, and asks the host, which
// counts for all shards, for a token of each; all are there, or the request is answered with 429. The configuration is
// interpreted where it lies; core/builtins/ratelimit/layout.ts draws its bytes.

import {
  BLOCK_ENTRY,
  BLOCK_HEADER,
  PATH_ANY,
  PATH_EXACT,
  PATH_PREFIX,
  TOLD_NOBODY,
  VERSION,
} from '../../core/builtins/ratelimit/layout';
import { ATTRIBUTE_CLAIM } from '../../core/builtins/rbac/layout';
import {
  Action,
  askForeign,
  bytes,
  callForeign,
  concat,
  decimal,
  flag,
  Head,
  HttpFilter,
  Level,
  log,
  METHOD,
  NOTHING,
  pairs,
  PATH,
  property,
  replyWith,
  Slice,
} from '../sdk/index';
import { temporary } from '../sdk/arena';
import { Cursor, cursor } from '../sdk/cursor';
import { beginRequest, valueOf } from '../rbac/facts';
import { siphash } from './siphash';

const GRPC_UNAVAILABLE: i32 = 14;

const RULES = bytes('weft_rate_limits');
const TAKE = bytes('weft_take_tokens');
const MATCHES = bytes('weft_matches');
/** As text, whatever it is: a number too. */
const CLAIM = bytes('weft\0jwt\0claim\0');
const CONTENT_TYPE = bytes('content-type');
const GRPC = bytes('application/grpc');
const LIMITED = bytes('local_rate_limited');
const FLAG = bytes('RL');
export const LIMIT = bytes('x-ratelimit-limit');
export const REMAINING = bytes('x-ratelimit-remaining');
export const RESET = bytes('x-ratelimit-reset');
const RETRY_AFTER = bytes('retry-after');
const RATELIMITED = bytes('x-envoy-ratelimited');
const TRUE = bytes('true');

export class RateLimit extends HttpFilter {
  /** Of the limit that is nearest to refusing the request that was counted last: tokens of its full bucket; 0: none counted it. */
  tokens: u32 = 0;
  remaining: u32 = 0;
  seconds: u32 = 0;
  private configuration: Slice = NOTHING;
  private limits: usize = 0;
  private count: i32 = 0;
  private gateway: bool = false;
  private tells: bool = false;
  private k0: u64 = 0;
  private k1: u64 = 0;

  onConfigure(configuration: Slice): bool {
    if (configuration.length < 8 || configuration.at(0) != VERSION) {
      log(Level.Error, 'the configuration is of another version than the filter');
      return false;
    }
    const kept = configuration.keep();
    this.configuration = kept;
    this.gateway = kept.at(1) != 0;
    this.tells = kept.at(2) != TOLD_NOBODY;
    const length = load<u32>(kept.ptr, 3);
    const seed = askForeign(RULES, kept.ptr + 7, length);
    if (seed.length != 16) {
      log(Level.Error, 'the host does not count for this filter');
      return false;
    }
    this.k0 = load<u64>(seed.ptr);
    this.k1 = load<u64>(seed.ptr, 8);
    const at = cursor(kept.ptr + 7 + length);
    this.count = at.u16();
    this.limits = at.position;
    return true;
  }

  onRetired(): void {
    if (this.configuration.length > 0) this.configuration.release();
  }

  onRequestHeaders(head: Head): Action {
    this.tokens = 0;
    beginRequest(head, this.gateway);
    const block = temporary(BLOCK_HEADER + this.count * BLOCK_ENTRY);
    let entry = block + BLOCK_HEADER;
    const at = cursor(this.limits);
    for (let i = 0; i < this.count; i++) {
      const next = at.sized();
      const identity = load<u64>(at.position);
      at.position += 8;
      if (matches(head, at)) {
        store<u32>(entry, i);
        store<u64>(entry, this.fingerprint(identity, at), 8);
        entry += BLOCK_ENTRY;
      }
      at.position = next;
    }
    const length = <i32>(entry - block);
    if (length == BLOCK_HEADER) return Action.Continue;
    store<u32>(block, (length - BLOCK_HEADER) / BLOCK_ENTRY);
    // A host that does not count where it said that it would: nothing may pass unseen.
    if (!callForeign(TAKE, block, length)) unreachable();
    this.tokens = load<u32>(block, 4);
    this.remaining = load<u32>(block, 8);
    this.seconds = load<u32>(block, 12);
    if (load<u32>(block) == 0) return Action.Continue;
    this.refuse(head);
    return Action.Pause;
  }

  private refuse(head: Head): void {
    flag(FLAG);
    const wait = decimal(this.seconds);
    const headers = pairs().add(RATELIMITED, TRUE);
    if (this.tells) headers.add(LIMIT, decimal(this.tokens)).add(REMAINING, decimal(this.remaining)).add(RESET, wait);
    headers.add(RETRY_AFTER, wait);
    const calls = head.get(CONTENT_TYPE).startsWith(GRPC);
    replyWith(429, LIMITED, LIMITED, calls ? GRPC_UNAVAILABLE : -1, headers);
  }

  /** Of the limit and the value of each of its keys. A value that is not there is another than an empty one. */
  private fingerprint(identity: u64, at: Cursor): u64 {
    let hash = identity;
    for (let count = at.u16(); count > 0; count--) {
      const attribute = at.u8();
      const name = at.text();
      const value = attribute == ATTRIBUTE_CLAIM ? property(concat(CLAIM, name)) : valueOf(attribute, name);
      hash = siphash(this.k0 ^ hash, value.exists ? this.k1 : ~this.k1, value.ptr, value.length);
    }
    return siphash(this.k0 ^ hash, this.k1, 0, 0);
  }
}

function matches(head: Head, at: Cursor): bool {
  const methods = at.u16();
  let holds = methods == 0;
  if (!holds) {
    const method = head.get(METHOD);
    for (let i: u32 = 0; i < methods; i++) if (at.text().equals(method)) holds = true;
  }
  const kind = at.u8();
  const expected = at.text();
  return holds && (kind == PATH_ANY || matchesPath(kind, expected, withoutQuery(head.get(PATH))));
}

function matchesPath(kind: u8, expected: Slice, path: Slice): bool {
  if (kind == PATH_EXACT) return path.equals(expected);
  if (kind == PATH_PREFIX) return path.startsWith(expected);
  const parameters = temporary(2 + path.length);
  memory.copy(parameters, expected.ptr, 2);
  memory.copy(parameters + 2, path.ptr, path.length);
  return callForeign(MATCHES, parameters, 2 + path.length);
}

function withoutQuery(path: Slice): Slice {
  const query = path.indexOf(0x3f);
  return query < 0 ? path : path.part(0, query);
}
