// Normalises a request's path once, before anything looks at it: from then on these bytes are the path that is matched,
// authorised, logged and forwarded. Istio's BASE: dot segments are resolved, also with parameters, backslashes are slashes, escapes of
// unreserved characters are decoded; %2F stays escaped, and NUL or a broken escape is refused.

import type { Head } from './head.ts';

const SLASH = 0x2f;
const DOT = 0x2e;
const PERCENT = 0x25;
const BACKSLASH = 0x5c;
const QUERY = 0x3f;

/** False: not a path that anybody may rely on; answer 400. Usual paths are scanned once and left where they lie. */
export function normalizePath(head: Head): boolean {
  if (head.newPath === null && isNormal(head.bytes, head.pathStart, head.pathLength)) return true;
  const path = head.path;
  if (path === '*') return head.method === 'OPTIONS';
  const mark = path.indexOf('?');
  const normal = normalize(mark < 0 ? path : path.slice(0, mark));
  if (normal === null) return false;
  const next = mark < 0 ? normal : normal + path.slice(mark);
  if (next !== path) head.newPath = next;
  return true;
}

function isNormal(bytes: Buffer, start: number, length: number): boolean {
  if (length === 0 || bytes[start] !== SLASH) return false;
  const end = start + length;
  for (let i = start; i < end; i++) {
    const c = bytes[i];
    if (c === QUERY) return true;
    if (c === PERCENT || c === BACKSLASH || c >= 0x80) return false;
    if (c === DOT && bytes[i - 1] === SLASH) return false;
  }
  return true;
}

const UNRESERVED = /[A-Za-z0-9\-._~]/;

/** '%61' is 'a', '%2f' is '%2F'. */
function normalEscape(written: string): string {
  const char = String.fromCharCode(Number.parseInt(written.slice(1), 16));
  return UNRESERVED.test(char) ? char : written.toUpperCase();
}

/**
 * What a rule writes of a path, as paths of requests arrive. `whole`: all of a path; else what one begins with, whose last
 * segment may go on.
 */
export function normalRule(rule: string, whole: boolean): string {
  const written = rule
    .toWellFormed()
    .replace(/[^\x21-\x7e]/gu, encodeURIComponent)
    .replace(/%[0-9A-Fa-f]{2}/g, normalEscape);
  const mark = written.indexOf('?');
  const path = (mark < 0 ? written : written.slice(0, mark)).replaceAll('\\', '/');
  const query = mark < 0 ? '' : written.slice(mark);
  const cut = whole || mark >= 0 ? path.length : path.lastIndexOf('/') + 1;
  return (normalize(path.slice(0, cut)) ?? path.slice(0, cut)) + path.slice(cut) + query;
}

/** The normal form of a path without its query, or null. */
function normalize(path: string): string | null {
  if (!path.startsWith('/')) return null;
  let decoded = '';
  for (let i = 0; i < path.length; i++) {
    const c = path[i];
    if (c === '\\') decoded += '/';
    else if (c !== '%') decoded += c;
    else {
      const written = path.slice(i, i + 3);
      if (!/^%[0-9a-fA-F]{2}$/.test(written) || written === '%00') return null;
      decoded += normalEscape(written);
      i += 2;
    }
  }
  const segments: string[] = [];
  const parts = decoded.slice(1).split('/');
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1;
    // '..;a=b' is '..' to servers that know path parameters (Java's), so it is here.
    const mark = part.indexOf(';');
    const name = mark < 0 ? part : part.slice(0, mark);
    if (name === '.' || name === '..') {
      if (name === '..') segments.pop();
      if (last) segments.push('');
    } else segments.push(part);
  }
  return `/${segments.join('/')}`;
}
