// The kinds of text and number that configuration is made of, each with its check: durations, host names, header names,
// ports, percentages. A schema says what a field is by one of these.

import { durationFault, MAX_DURATION_MS, parseDuration } from './duration.ts';
import { hostFault, isIpOrCidr, isSubsetName, nameFault } from './hosts.ts';
import { regexFault } from './regex.ts';
import { array, integer, integerOrString, map, number, type StringRules, string } from './schema.ts';
import { claimPath } from './schemas/claim-header.ts';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const LABEL_VALUE = /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$/;
const LABEL_NAME = /^(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const DNS_LABEL = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
/** RFC 9110 5.5: no control characters but the tab. */
const FORBIDDEN_IN_VALUE = /(?![\t\x80-\x9f])\p{Cc}/u;

/** Text as a message shows it: quoted, at most 60 characters. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}

/** As Istio, which takes no empty expression. */
function patternFault(value: string): string | null {
  return value === '' ? 'must not be empty' : regexFault(value);
}

function rule(code: string, check: (text: string) => string | null): StringRules {
  return { code, check };
}

/** From `leastMs` on, in steps of `stepMs`; 0: to the nanosecond. */
function durationFrom(leastMs: number, stepMs: number): StringRules {
  return rule('duration', (text) => {
    const fault = durationFault(text, leastMs, MAX_DURATION_MS) ?? stepFault(text, stepMs);
    return fault === null ? null : `${quote(text)} ${fault}`;
  });
}

function stepFault(text: string, stepMs: number): string | null {
  if (stepMs === 0 || parseDuration(text) % stepMs === 0) return null;
  return stepMs === 1 ? 'is finer than a millisecond' : 'is finer than a second';
}

export const headerNameRule = rule('header_name', (text) =>
  TOKEN.test(text) ? null : `${quote(text)} is no header name`,
);

/** In matches, Envoy's pseudo headers may be named too, and claims of the verified token. */
export const headerMatchRule = rule('header_name', (text) =>
  TOKEN.test(text) || /^:(?:authority|method|path|scheme|status)$/.test(text) || claimPath(text) !== null
    ? null
    : `${quote(text)} is no header name`,
);

export const headerValueRule = rule('header_value', (text) =>
  FORBIDDEN_IN_VALUE.test(text) ? `${quote(text)} is no header value: it has control characters` : null,
);

const labelNameRule = rule('label', (text) => (LABEL_NAME.test(text) ? null : `${quote(text)} is no label name`));

export const text = string();
export const texts = array(text);
export const nonEmptyRule = rule('empty', (value) => (value === '' ? 'must not be empty' : null));
export const nonEmpty = string(nonEmptyRule);
/** From 1 to so many characters. */
export function textUpTo(most: number) {
  return string(
    rule('length', (value) =>
      value === '' ? 'must not be empty' : value.length <= most ? null : `has more than ${most} characters`,
    ),
  );
}
/** 5s, 0s included. */
export const duration = string(durationFrom(0, 0));
/** The same, in whole milliseconds. */
export const wholeDuration = string(durationFrom(0, 1));
/** At least 1ms, in whole milliseconds, as Istio has almost all. */
export const positiveDuration = string(durationFrom(1, 1));
/** At least 1s, in whole seconds. */
export const seconds = string(durationFrom(1000, 1000));
export const regex = string(rule('regex', patternFault));
/** '*' too, which Istio reads as presence. */
export const regexOrPresence = string(rule('regex', (value) => (value === '*' ? null : patternFault(value))));
/** A host name or address without wildcards. */
export const host = string(rule('host', (value) => hostFault(value, { wildcard: false })));
/** '*', '*.example.com' or a host. */
export const wildcardHost = string(rule('host', (value) => hostFault(value, { wildcard: true })));
/** The same, and no address. */
export const wildcardName = string(rule('host', (value) => nameFault(value, { wildcard: true })));
/** What TLS may ask for: the name of a subset, too. */
export const serverName = string(
  rule('host', (value) => (isSubsetName(value) ? null : hostFault(value, { wildcard: true }))),
);
export const ipOrCidr = string(
  rule('address', (value) => (isIpOrCidr(value) ? null : `${quote(value)} is no IP address or CIDR block`)),
);
/** What a request line may carry: RFC 9112 3.2.1, without the fragment that no client sends. */
const TARGET = /^[\x21\x22\x24-\x7e]*$/;
const AUTHORITY = /^[A-Za-z0-9\-._~:[\]]+$/;

/** Why the text can be no part of a request's target, or null. */
export function targetFault(value: string): string | null {
  return TARGET.test(value)
    ? null
    : `${quote(value)} can be in no target of a request: write blanks, '#', control characters and all but ASCII as %XX`;
}

/** Why the text is no host with or without a port, or null. */
export function authorityFault(value: string): string | null {
  return AUTHORITY.test(value) ? null : `${quote(value)} is no host, nor host:port`;
}

/** A path with or without a query; '' = not given. */
export const originForm = string(
  rule('path', (value) =>
    value === '' || value.startsWith('/') ? targetFault(value) : `${quote(value)} is no path: it has to begin with '/'`,
  ),
);
/** '' = not given. */
export const authority = string(rule('host', (value) => (value === '' ? null : authorityFault(value))));
export const headerName = string(headerNameRule);
export const headerValue = string(headerValueRule);
export const headerValues = map(headerValue, headerNameRule);
/** A DNS label. */
export const dnsLabelRule = rule('name', (value) =>
  DNS_LABEL.test(value) ? null : `${quote(value)} is no name: lower-case letters, digits and '-', at most 63`,
);
const LABEL = /^[A-Za-z0-9](?:[-A-Za-z0-9]{0,61}[A-Za-z0-9])?$/;
/** A label in capitals, too. */
export const portNameRule = rule('name', (value) =>
  LABEL.test(value) ? null : `${quote(value)} is no name: letters, digits and '-', at most 63`,
);
export const portName = string(portNameRule);
/** '' = none. */
export const subsetName = string(rule('name', (value) => (value === '' ? null : portNameRule.check(value))));
const labelValue = string(
  rule('label', (value) => (LABEL_VALUE.test(value) ? null : `${quote(value)} is no label value`)),
);
export const labels = map(labelValue, labelNameRule);
export const labelNames = labelNameRule;

export const port = integer(1, 65535);
/** 0 = not given. */
export const portOrZero = integer(0, 65535);
export const portOrName = integerOrString(1, 65535);
export const percent = number(0, 100);
export const uint32 = integer(0, 4294967295);
export const int32 = integer(-2147483648, 2147483647);
/** An int32 that makes no sense below 0. */
export const count = integer(0, 2147483647);
/** As large as JSON carries exactly. */
export const uint64 = integer(0, Number.MAX_SAFE_INTEGER);

/** The label of Prometheus that a metric's tag becomes, as Envoy writes it. */
export function labelOf(tag: string): string {
  return tag.replaceAll(/[-.]/g, '_');
}
