// request-id-from-claim: the request's id begins with a claim of its verified token, so that logs and traces tell whose it is.
import {
  Action,
  bytes,
  concat,
  Head,
  HttpFilter,
  JsonKind,
  Level,
  log,
  logBytes,
  parseJson,
  property,
  randomBelow,
  register,
  Slice,
} from '@weft-mesh/weft/sdk';

const CLAIM = bytes('claim');
const HEADER = bytes('header');
const SUBJECT = bytes('sub');
const REQUEST_ID = bytes('x-request-id');
/** The proxy's property of a claim that it has verified. No header is believed. */
const CLAIM_PROPERTY = bytes('weft\0jwt\0claim\0');
const DOT = bytes('.');
const MOST: i32 = 64;
const ZEROS = bytes('0000000000000000');
const EMPTY = bytes('');

class RequestId extends HttpFilter {
  private path: Slice = concat(CLAIM_PROPERTY, SUBJECT).keep();
  private header: Slice = REQUEST_ID;

  onConfigure(configuration: Slice): bool {
    if (configuration.length == 0) return true;
    const json = parseJson(configuration);
    if (!json.valid) {
      logBytes(Level.Error, json.problem());
      return false;
    }
    const claim = json.get(CLAIM);
    const header = json.get(HEADER);
    if ((claim.exists && claim.kind != JsonKind.String) || (header.exists && header.kind != JsonKind.String)) {
      log(Level.Error, 'claim and header must be texts');
      return false;
    }
    if (claim.exists) this.path = concat(CLAIM_PROPERTY, claim.string()).keep();
    if (header.exists) this.header = header.string().keep();
    return true;
  }

  onRequestHeaders(head: Head): Action {
    const claim = property(this.path);
    if (!claim.exists || claim.length == 0) return Action.Continue;
    const prefix = concat(clean(claim), DOT);
    const id = head.get(this.header);
    // A sidecar before this one has done it.
    if (id.exists && id.startsWith(prefix)) return Action.Continue;
    head.set(this.header, concat(prefix, id.length > 0 ? id : random()));
    return Action.Continue;
  }
}

/** What may stand in every log: letters, digits, @, - and _; all else is _. */
function clean(claim: Slice): Slice {
  const length = min(claim.length, MOST);
  const copy = concat(claim.part(0, length), EMPTY);
  for (let i = 0; i < length; i++) {
    const c = copy.at(i);
    const letter = <u8>((c | 0x20) - 0x61) < 26;
    const digit = <u8>(c - 0x30) < 10;
    if (!letter && !digit && c != 0x40 && c != 0x2d) store<u8>(copy.ptr + i, 0x5f);
  }
  return copy;
}

/** An id of its own, when the request has none. */
function random(): Slice {
  const id = concat(ZEROS, EMPTY);
  for (let i = 0; i < id.length; i++) {
    const digit = randomBelow(16);
    store<u8>(id.ptr + i, <u8>(digit < 10 ? 0x30 + digit : 0x57 + digit));
  }
  return id;
}

register(() => new RequestId());
