// What a filter did to an exchange, as lines: the difference between the exchange with it and the same one without it. What
// proxies do on their own is in both, so that two proxies can be compared.

import type { Observation, Seen } from './exchange.ts';

/** Different in every exchange, a matter of framing, which follows from the body, or a proxy's own: not compared. */
const UNSTABLE: ReadonlySet<string> = new Set([
  'date',
  'x-envoy-upstream-service-time',
  'x-case',
  'content-length',
  'transfer-encoding',
  'connection',
  'trailer',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-envoy-internal',
  'x-envoy-external-address',
  'x-envoy-expected-rq-timeout-ms',
]);
/** What a filter says of a header that is not compared: 'response header <-- date: ...'. */
export function isOfUnstable(line: string): boolean {
  const names = [...line.matchAll(/(?<=^|\s)([\w-]+): /g)].map(([, name]) => name);
  return names.some((name) => UNSTABLE.has(name) || name === 'server');
}

/** How a proxy may sign answers that are not an upstream's. */
const SIGNATURE = /^(envoy|weft)$/;

/** In no particular order of the message, since a header's place among others means nothing; values of one name in theirs. */
export function effects(without: Observation, with_: Observation): string[] {
  const reached =
    with_.request === null
      ? without.request === null
        ? []
        : ['request: does not reach the upstream']
      : difference('request', without.request, with_.request);
  // One that the filter gives itself is compared as it is: the one without the filter was somebody else's.
  const base = with_.request === null ? null : without.answer;
  const called = with_.calls.flatMap((call) => [difference('call', null, call).sort().join('; ')]);
  return [...reached, ...difference('answer', base, with_.answer), ...called].sort();
}

function difference(what: string, before: Seen | null, after: Seen): string[] {
  const lines: string[] = [];
  if (before?.first !== after.first) lines.push(`${what}: ${after.first}`);
  if (before?.body !== after.body) lines.push(`${what} body: ${JSON.stringify(after.body)}`);
  lines.push(...fields(`${what} header`, before?.headers ?? [], after.headers));
  lines.push(...fields(`${what} trailer`, before?.trailers ?? [], after.trailers));
  return lines;
}

type Pairs = readonly (readonly [string, string])[];

function fields(what: string, before: Pairs, after: Pairs): string[] {
  const lines: string[] = [];
  const had = values(before);
  const has = values(after);
  for (const name of new Set([...had.keys(), ...has.keys()])) {
    const [old, now] = [JSON.stringify(had.get(name)), JSON.stringify(has.get(name))];
    if (!UNSTABLE.has(name) && old !== now) lines.push(`${what} ${name}: ${now === undefined ? 'removed' : now}`);
  }
  return lines;
}

function values(pairs: Pairs): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [name, value] of pairs) {
    if (name !== 'server' || !SIGNATURE.test(value)) found.set(name, [...(found.get(name) ?? []), value]);
  }
  return found;
}
