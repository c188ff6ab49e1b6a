// The challenge of a refusal: `Bearer realm="http://host/path", error="invalid_token"`;
// without the error where there is no token. The query is left out, since a token may stand in it.

import { temporary } from '../sdk/arena';
import { AUTHORITY, bytes, Head, PATH, Slice, slice } from '../sdk/index';

/** As Envoy's. */
const MOST: i32 = 256;

const SCHEME = bytes(':scheme');
const OPEN = bytes('Bearer realm="');
const SEPARATOR = bytes('://');
const CLOSE = bytes('", error="invalid_token"');
const CLOSE_MISSING = bytes('"');

export function realmOf(head: Head, given: bool): Slice {
  const path = head.get(PATH);
  const query = path.indexOf(0x3f);
  const start = temporary(OPEN.length + MOST + CLOSE.length);
  const limit = start + OPEN.length + MOST;
  let to = start;
  to = append(to, OPEN, limit, false);
  to = append(to, head.get(SCHEME), limit);
  to = append(to, SEPARATOR, limit);
  to = append(to, head.get(AUTHORITY), limit);
  to = append(to, query < 0 ? path : path.part(0, query), limit);
  to = append(to, given ? CLOSE : CLOSE_MISSING, limit + CLOSE.length, false);
  return slice(start, <i32>(to - start));
}

/** Without what would end the quoted string. */
function append(to: usize, text: Slice, limit: usize, quoted: bool = true): usize {
  for (let i = 0; i < text.length && to < limit; i++) {
    const c = text.at(i);
    if (!quoted || (c != 0x22 && c != 0x5c)) store<u8>(to++, c);
  }
  return to;
}
