// cors: cross-origin requests, as the route's corsPolicy says. A preflight from an allowed origin is answered here; other
// requests from one go on, and their responses say that the origin may read them. core/builtins/cors/layout.ts draws
// the configuration's bytes. The origin is remembered by the stream: routes may change the request's headers.

import {
  CREDENTIALS,
  IGNORE_UNMATCHED,
  ORIGIN_ANY,
  ORIGIN_EXACT,
  ORIGIN_PREFIX,
  VERSION,
} from '../../core/builtins/cors/layout';
import {
  Action,
  bytes,
  callForeign,
  Head,
  HttpFilter,
  METHOD,
  Pairs,
  pairs,
  property,
  register,
  replyWith,
  routeConfiguration,
  setProperty,
  Slice,
} from '../sdk/index';
import { temporary } from '../sdk/arena';
import { Cursor, cursor } from '../sdk/cursor';

/** The version, flags, no origins and four empty texts. */
const SMALLEST: i32 = 12;

const MATCHES = bytes('weft_matches');
const ALLOWED_ORIGIN = bytes('weft\0cors\0origin');
const ORIGIN = bytes('origin');
const OPTIONS = bytes('OPTIONS');
const REQUEST_METHOD = bytes('access-control-request-method');
const ALLOW_ORIGIN = bytes('access-control-allow-origin');
const ALLOW_CREDENTIALS = bytes('access-control-allow-credentials');
const ALLOW_METHODS = bytes('access-control-allow-methods');
const ALLOW_HEADERS = bytes('access-control-allow-headers');
const EXPOSE_HEADERS = bytes('access-control-expose-headers');
const MAX_AGE = bytes('access-control-max-age');
const VARY = bytes('vary');
const VARY_ORIGIN = bytes('origin');
const TRUE = bytes('true');
const NOTHING = bytes('');
const DETAILS = bytes('cors_response');

class Cors extends HttpFilter {
  onRequestHeaders(head: Head): Action {
    const config = routeConfiguration();
    if (config.length < SMALLEST || config.at(0) != VERSION) return Action.Continue;
    const origin = head.get(ORIGIN);
    if (origin.length == 0) return Action.Continue;
    const preflight = head.get(METHOD).equals(OPTIONS) && head.get(REQUEST_METHOD).length > 0;
    const at = cursor(config.ptr + 2);
    if (!allows(at, origin)) {
      if (!preflight || (config.at(1) & IGNORE_UNMATCHED) == 0) return Action.Continue;
      replyWith(200, NOTHING, DETAILS, -1, pairs());
      return Action.Pause;
    }
    if (preflight) {
      answer(origin, config.at(1), at);
      return Action.Pause;
    }
    setProperty(ALLOWED_ORIGIN, origin);
    return Action.Continue;
  }

  onResponseHeaders(head: Head): Action {
    const origin = property(ALLOWED_ORIGIN);
    if (!origin.exists) return Action.Continue;
    const config = routeConfiguration();
    const at = cursor(config.ptr + 2);
    for (let count = at.u16(); count > 0; count--) {
      at.u8();
      at.text();
    }
    at.text();
    at.text();
    const exposed = at.text();
    head.set(ALLOW_ORIGIN, origin);
    if ((config.at(1) & CREDENTIALS) != 0) head.set(ALLOW_CREDENTIALS, TRUE);
    if (exposed.length > 0) head.set(EXPOSE_HEADERS, exposed);
    // What is kept of this response is for this origin.
    head.add(VARY, VARY_ORIGIN);
    return Action.Continue;
  }
}

/** True if one of the origins is this one. Leaves the cursor behind them. */
function allows(at: Cursor, origin: Slice): bool {
  let allowed = false;
  for (let count = at.u16(); count > 0; count--) {
    const kind = at.u8();
    const expected = at.text();
    if (!allowed) allowed = matches(kind, expected, origin);
  }
  return allowed;
}

function matches(kind: i32, expected: Slice, origin: Slice): bool {
  switch (kind) {
    case ORIGIN_ANY:
      return true;
    case ORIGIN_EXACT:
      return origin.equals(expected);
    case ORIGIN_PREFIX:
      return origin.startsWith(expected);
    default: {
      const parameters = temporary(2 + origin.length);
      memory.copy(parameters, expected.ptr, 2);
      memory.copy(parameters + 2, origin.ptr, origin.length);
      return callForeign(MATCHES, parameters, 2 + origin.length);
    }
  }
}

function answer(origin: Slice, flags: u8, at: Cursor): void {
  const methods = at.text();
  const headers = at.text();
  at.text();
  const maxAge = at.text();
  const fields = pairs().add(ALLOW_ORIGIN, origin);
  if ((flags & CREDENTIALS) != 0) fields.add(ALLOW_CREDENTIALS, TRUE);
  addUnlessEmpty(fields, ALLOW_METHODS, methods);
  addUnlessEmpty(fields, ALLOW_HEADERS, headers);
  addUnlessEmpty(fields, MAX_AGE, maxAge);
  replyWith(200, NOTHING, DETAILS, -1, fields);
}

function addUnlessEmpty(fields: Pairs, name: Slice, value: Slice): void {
  if (value.length > 0) fields.add(name, value);
}

register(() => new Cors());
