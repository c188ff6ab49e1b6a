// What conditions ask about a request. Who called comes from the connection, never from a header.

import {
  ATTRIBUTES,
  ATTRIBUTE_CLAIM,
  ATTRIBUTE_DESTINATION_IP,
  ATTRIBUTE_HEADER,
  ATTRIBUTE_HOST,
  ATTRIBUTE_ISSUER,
  ATTRIBUTE_METHOD,
  ATTRIBUTE_NAMESPACE,
  ATTRIBUTE_PATH,
  ATTRIBUTE_PORT,
  ATTRIBUTE_PRINCIPAL,
  ATTRIBUTE_REMOTE_IP,
  ATTRIBUTE_REQUEST_PRINCIPAL,
  ATTRIBUTE_SERVICE_ACCOUNT,
  ATTRIBUTE_SOURCE_IP,
  ATTRIBUTE_TRUST_DOMAIN,
} from '../../core/builtins/rbac/layout';
import { AUTHORITY, bytes, concat, Head, METHOD, PATH, property, Slice, slice } from '../sdk/index';
import { temporary } from '../sdk/arena';
import { parseAddress } from './addresses';

const PEER = bytes('connection\0uri_san_peer_certificate');
const SOURCE = bytes('source\0address');
const DESTINATION = bytes('destination\0address');
const DESTINATION_PORT = bytes('destination\0port');
const TOKEN_PRINCIPAL = bytes('weft\0jwt\0principal');
const ISSUER = bytes('weft\0jwt\0claim\0iss');
const CLAIM_VALUES = bytes('weft\0jwt\0claim_values\0');
const FORWARDED_FOR = bytes('x-forwarded-for');
const SPIFFE = bytes('spiffe://');
const NS = bytes('/ns/');
const SA = bytes('/sa/');

/** Addresses of the slices found so far for this request, by attribute; 0 = not asked for yet. */
const found: usize = memory.data(ATTRIBUTES * 4, 4);

let request: Head = new Head(0);
let gateway: bool = false;

export function beginRequest(head: Head, atGateway: bool): void {
  request = head;
  gateway = atGateway;
  memory.fill(found, 0, ATTRIBUTES * 4);
}

/**
 * The fact behind an attribute; one that does not exist is not known. Addresses are 4 or 16 bytes, claims a list of texts:
 * u16 count | (u16 length | bytes)...
 */
export function valueOf(attribute: i32, key: Slice): Slice {
  if (attribute == ATTRIBUTE_HEADER) return request.get(key);
  return attribute == ATTRIBUTE_CLAIM ? claim(key) : fact(attribute);
}

function fact(attribute: i32): Slice {
  if (attribute >= ATTRIBUTES) return missing();
  const place = found + (<usize>attribute << 2);
  const known = load<usize>(place);
  if (known != 0) return changetype<Slice>(known);
  const fetched = fetch(attribute);
  store<usize>(place, changetype<usize>(fetched));
  return fetched;
}

function fetch(attribute: i32): Slice {
  switch (attribute) {
    case ATTRIBUTE_PRINCIPAL:
      return principal();
    case ATTRIBUTE_NAMESPACE:
      return namespaceOf(fact(ATTRIBUTE_PRINCIPAL));
    case ATTRIBUTE_SERVICE_ACCOUNT:
      return accountOf(fact(ATTRIBUTE_PRINCIPAL));
    case ATTRIBUTE_TRUST_DOMAIN:
      return domainOf(fact(ATTRIBUTE_PRINCIPAL));
    case ATTRIBUTE_SOURCE_IP:
      return addressOf(property(SOURCE));
    case ATTRIBUTE_REMOTE_IP:
      return remoteAddress();
    case ATTRIBUTE_DESTINATION_IP:
      return addressOf(property(DESTINATION));
    case ATTRIBUTE_HOST:
      return plainHost(lowerCase(request.get(AUTHORITY)));
    case ATTRIBUTE_PORT:
      return decimal(property(DESTINATION_PORT));
    case ATTRIBUTE_REQUEST_PRINCIPAL:
      return property(TOKEN_PRINCIPAL);
    case ATTRIBUTE_ISSUER:
      return property(ISSUER);
    case ATTRIBUTE_METHOD:
      return request.get(METHOD);
    case ATTRIBUTE_PATH:
      return withoutQuery(request.get(PATH));
    default:
      return missing();
  }
}

function claim(name: Slice): Slice {
  const path = temporary(CLAIM_VALUES.length + name.length);
  memory.copy(path, CLAIM_VALUES.ptr, CLAIM_VALUES.length);
  memory.copy(path + CLAIM_VALUES.length, name.ptr, name.length);
  return property(slice(path, CLAIM_VALUES.length + name.length));
}

/** trust-domain/ns/namespace/sa/account */
function principal(): Slice {
  const peer = property(PEER);
  return peer.startsWith(SPIFFE) ? peer.part(SPIFFE.length, peer.length) : missing();
}

function namespaceOf(who: Slice): Slice {
  const from = after(who, NS, 0);
  if (from < 0) return missing();
  const to = who.indexOf(0x2f, from);
  return to < 0 ? missing() : who.part(from, to);
}

/** namespace/account */
function accountOf(who: Slice): Slice {
  const from = after(who, NS, 0);
  if (from < 0) return missing();
  const account = after(who, SA, from);
  if (account < 0) return missing();
  const space = account - SA.length - from;
  const length = space + 1 + who.length - account;
  const at = temporary(length);
  memory.copy(at, who.ptr + from, space);
  store<u8>(at + space, 0x2f);
  memory.copy(at + space + 1, who.ptr + account, who.length - account);
  return slice(at, length);
}

function domainOf(who: Slice): Slice {
  const end = after(who, NS, 0);
  return end < 0 ? missing() : who.part(0, end - NS.length);
}

/** Place behind the first `part` in `text` at or after `from`, or -1. */
function after(text: Slice, part: Slice, from: i32): i32 {
  if (!text.exists) return -1;
  for (let at = from; at + part.length <= text.length; at++) {
    if (memory.compare(text.ptr + at, part.ptr, part.length) == 0) return at + part.length;
  }
  return -1;
}

/**
 * Whom the request is from in the end. A gateway sees its client; behind it, a caller that is known to be of the mesh has
 * written its own client's address last into x-forwarded-for.
 */
function remoteAddress(): Slice {
  if (gateway || !fact(ATTRIBUTE_PRINCIPAL).exists) return fact(ATTRIBUTE_SOURCE_IP);
  const list = request.get(FORWARDED_FOR);
  if (!list.exists || list.length == 0) return fact(ATTRIBUTE_SOURCE_IP);
  let from = list.length;
  while (from > 0 && list.at(from - 1) != 0x2c) from--;
  let to = list.length;
  while (from < to && list.at(from) == 0x20) from++;
  while (to > from && list.at(to - 1) == 0x20) to--;
  return parseAddress(list.part(from, to));
}

/** '127.0.0.1:80' or '[::1]:80' without its port, as bytes. */
function addressOf(text: Slice): Slice {
  if (!text.exists) return text;
  let end = text.length;
  while (end > 0 && text.at(end - 1) != 0x3a) end--;
  if (end == 0) return missing();
  const bracketed = text.at(0) == 0x5b;
  return parseAddress(bracketed ? text.part(1, end - 2) : text.part(0, end - 1));
}

function lowerCase(text: Slice): Slice {
  const at = temporary(text.length);
  for (let i = 0; i < text.length; i++) {
    const c = text.at(i);
    store<u8>(at + i, c >= 65 && c <= 90 ? c | 32 : c);
  }
  return slice(at, text.length, text.exists);
}

/** Without the dot that makes a name absolute: 'a.example.:80' is the host 'a.example:80'. */
function plainHost(authority: Slice): Slice {
  let end = authority.length;
  while (end > 0 && authority.at(end - 1) >= 48 && authority.at(end - 1) <= 57) end--;
  if (end == 0 || authority.at(end - 1) != 0x3a) end = authority.length;
  else end--;
  if (end < 2 || authority.at(end - 1) != 0x2e) return authority;
  return concat(authority.part(0, end - 1), authority.part(end, authority.length));
}

/** An 8-byte integer as digits. */
function decimal(number: Slice): Slice {
  if (number.length != 8) return missing();
  let rest = load<u32>(number.ptr);
  const at = temporary(16);
  let start = 16;
  do {
    store<u8>(at + --start, 48 + (rest % 10));
    rest /= 10;
  } while (rest > 0);
  return slice(at + start, 16 - start);
}

function withoutQuery(path: Slice): Slice {
  const query = path.indexOf(0x3f);
  return query < 0 ? path : path.part(0, query);
}

function missing(): Slice {
  return slice(0, 0, false);
}
