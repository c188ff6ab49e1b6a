// What a VirtualService changes of the fields of requests and responses. Host is a request's authority, and is set as one;
// fields that belong to the connection or to the body are written by the proxy alone.

import { authorityFault, headerNameRule, headerValueRule, quote } from '../formats.ts';
import { array, map, object, optional, partly, type Static, string } from '../schema.ts';

const FRAMING = [
  ...['connection', 'content-length', 'expect', 'http2-settings', 'keep-alive', 'proxy-connection'],
  ...['trailer', 'transfer-encoding', 'upgrade'],
];

/** Written after the route's changes. */
const OF_REQUESTS: ReadonlySet<string> = new Set([...FRAMING, 'x-envoy-attempt-count']);
const OF_RESPONSES: ReadonlySet<string> = new Set(FRAMING);

export function isAuthority(name: string): boolean {
  return /^(?::authority|host)$/i.test(name);
}

function without(names: ReadonlySet<string>) {
  return (given: readonly string[] | Readonly<Record<string, string>>): string | null => {
    const all = Array.isArray(given) ? (given as readonly string[]) : Object.keys(given);
    const found = all.map((name) => name.toLowerCase()).filter((name) => names.has(name));
    return found.length === 0 ? null : `header rules for ${[...new Set(found)].sort().join(', ')}`;
  };
}

const changeableRule = {
  code: headerNameRule.code,
  check: (name: string) =>
    isAuthority(name)
      ? `${quote(name)} cannot be changed here: only requests have it, and it is set`
      : headerNameRule.check(name),
};
const requestNameRule = {
  code: headerNameRule.code,
  check: (name: string) => (isAuthority(name) ? null : headerNameRule.check(name)),
};

/** Text, and operators of the access log between percent signs: whether they are known is for who fills them in. */
const FORMAT = /^(?:[^%]|%%|%[A-Z][A-Z0-9_]*(?:\([^)]*\))?(?::\d{1,6})?%)*$/;
const format = string({
  code: headerValueRule.code,
  check: (value) =>
    headerValueRule.check(value) ??
    (FORMAT.test(value) ? null : `${quote(value)} has a percent sign that begins no operator: write %% for one`),
});

const requestValues = map(format, requestNameRule);
const responseValues = map(format, changeableRule);
const changeable = array(string(changeableRule));

export const RequestHeaderOperations = object(
  {
    set: partly(optional(requestValues), without(OF_REQUESTS)),
    add: partly(optional(requestValues), without(OF_REQUESTS)),
    remove: partly(optional(changeable), without(OF_REQUESTS)),
  },
  {
    check({ set = {}, add = {} }, report) {
      let known = false;
      for (const [field, values] of Object.entries({ set, add })) {
        for (const [name, value] of Object.entries(values)) {
          if (!isAuthority(name)) continue;
          const fault = known ? 'the authority of a request is given twice' : authorityFault(value);
          if (fault !== null) report.error([field, name], known ? 'duplicate' : 'host', fault);
          known = true;
        }
      }
    },
  },
);
export type RequestHeaderOperations = Static<typeof RequestHeaderOperations>;

export const ResponseHeaderOperations = object({
  set: partly(optional(responseValues), without(OF_RESPONSES)),
  add: partly(optional(responseValues), without(OF_RESPONSES)),
  remove: partly(optional(changeable), without(OF_RESPONSES)),
});
export type ResponseHeaderOperations = Static<typeof ResponseHeaderOperations>;

export const Headers = object({
  request: optional(RequestHeaderOperations),
  response: optional(ResponseHeaderOperations),
});
export type Headers = Static<typeof Headers>;

/** What a route makes of a request's authority by its headers; null: nothing. */
export function authorityOf(operations: RequestHeaderOperations | undefined): string | null {
  const given = [...Object.entries(operations?.set ?? {}), ...Object.entries(operations?.add ?? {})];
  return given.find(([name]) => isAuthority(name))?.[1] ?? null;
}
