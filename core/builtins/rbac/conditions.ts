// Conditions of policies, old and new, as the matches that the rbac filter evaluates. What this proxy cannot know (the
// metadata of Envoy's filters) decides against the request: such a condition never allows, and never keeps a denial from
// applying.

import { isIP } from 'node:net';

import type { Condition, Operation, Source } from '../../config/kinds/authorization-policy.ts';
import { normalRule } from '../../http/path.ts';
import type { Node } from '../../workload.ts';
import type { Conjunction, Match, Value } from './encoding.ts';
import {
  ATTRIBUTE_CLAIM,
  ATTRIBUTE_DESTINATION_IP,
  ATTRIBUTE_HEADER,
  ATTRIBUTE_HOST,
  ATTRIBUTE_METHOD,
  ATTRIBUTE_NAMESPACE,
  ATTRIBUTE_PATH,
  ATTRIBUTE_PORT,
  ATTRIBUTE_PRINCIPAL,
  ATTRIBUTE_REMOTE_IP,
  ATTRIBUTE_REQUEST_PRINCIPAL,
  ATTRIBUTE_SERVICE_ACCOUNT,
  ATTRIBUTE_SNI,
  ATTRIBUTE_SOURCE_IP,
  ATTRIBUTE_TRUST_DOMAIN,
  VALUE_CIDR,
  VALUE_EXACT,
  VALUE_PREFIX,
  VALUE_PRESENT,
  VALUE_REQUEST_PRINCIPAL,
  VALUE_SUFFIX,
  VALUE_TEMPLATE,
} from './layout.ts';
import { domainsMeant, principalsMeant } from './trust-domains.ts';

export interface Scope {
  readonly allows: boolean;
  readonly namespace: string;
  readonly node: Node;
  /** Of the mesh. */
  readonly trustDomains: readonly string[];
}

/** A condition on something that is not known. */
const UNKNOWN = Symbol('unknown');
export type Compiled = Match | typeof UNKNOWN;

/** Those of the alternatives that can match; null when there were some and none can. */
export function alternatives(list: readonly Compiled[][] | undefined, scope: Scope): Conjunction[] | null {
  if (list === undefined) return [];
  const possible = list.map((matches) => settle(matches, scope)).filter((matches) => matches !== null);
  return possible.length === 0 ? null : possible;
}

/** What is unknown decides against the request: an ALLOW cannot match, a DENY does without the condition. */
export function settle(matches: readonly Compiled[], scope: Scope): Conjunction | null {
  const known = matches.filter((match): match is Match => match !== UNKNOWN);
  return scope.allows && known.length < matches.length ? null : known;
}

export function sourceMatches(source: Source, scope: Scope): Compiled[] {
  const account = (value: string): string => (value.includes('/') ? value : `${scope.namespace}/${value}`);
  return [
    ...pair(ATTRIBUTE_PRINCIPAL, source.principals, source.notPrincipals, (value) => principal(value, scope)),
    ...pair(ATTRIBUTE_REQUEST_PRINCIPAL, source.requestPrincipals, source.notRequestPrincipals, requestPrincipal),
    ...pair(ATTRIBUTE_NAMESPACE, source.namespaces, source.notNamespaces, pattern),
    ...pair(ATTRIBUTE_SERVICE_ACCOUNT, source.serviceAccounts, source.notServiceAccounts, (value) =>
      pattern(account(value)),
    ),
    ...pair(ATTRIBUTE_SOURCE_IP, source.ipBlocks, source.notIpBlocks, block),
    ...pair(ATTRIBUTE_REMOTE_IP, source.remoteIpBlocks, source.notRemoteIpBlocks, block),
    ...pair(ATTRIBUTE_TRUST_DOMAIN, source.trustDomains, source.notTrustDomains, (value) => trustDomain(value, scope)),
  ];
}

export function operationMatches(operation: Operation): Compiled[] {
  return [
    ...pair(ATTRIBUTE_HOST, operation.hosts, operation.notHosts, (value) => pattern(value.toLowerCase())),
    ...pair(ATTRIBUTE_PORT, operation.ports, operation.notPorts, pattern),
    ...pair(ATTRIBUTE_METHOD, operation.methods, operation.notMethods, pattern),
    ...pair(ATTRIBUTE_PATH, operation.paths, operation.notPaths, path),
  ];
}

export function conditionMatches({ key, values, notValues }: Condition, scope: Scope): Compiled[] {
  const header = /^request\.headers\[(.+)\]$/.exec(key)?.[1];
  if (header !== undefined) return pair(ATTRIBUTE_HEADER, values, notValues, pattern, header.toLowerCase());
  const claim = /^request\.auth\.claims\[(.+)\]$/.exec(key)?.[1];
  if (claim !== undefined) return pair(ATTRIBUTE_CLAIM, values, notValues, pattern, claim.replaceAll('][', '\0'));
  switch (key) {
    case 'source.ip':
      return pair(ATTRIBUTE_SOURCE_IP, values, notValues, block);
    case 'remote.ip':
      return pair(ATTRIBUTE_REMOTE_IP, values, notValues, block);
    case 'source.namespace':
      return pair(ATTRIBUTE_NAMESPACE, values, notValues, pattern);
    case 'source.principal':
      return pair(ATTRIBUTE_PRINCIPAL, values, notValues, (value) => principal(value, scope));
    case 'source.serviceAccount':
      return sourceMatches({ serviceAccounts: values, notServiceAccounts: notValues }, scope);
    case 'source.trustDomain':
      return pair(ATTRIBUTE_TRUST_DOMAIN, values, notValues, (value) => trustDomain(value, scope));
    case 'request.auth.principal':
      return pair(ATTRIBUTE_REQUEST_PRINCIPAL, values, notValues, requestPrincipal);
    case 'request.auth.audiences':
      return pair(ATTRIBUTE_CLAIM, values, notValues, pattern, 'aud');
    case 'request.auth.presenter':
      return pair(ATTRIBUTE_CLAIM, values, notValues, pattern, 'azp');
    case 'destination.ip':
      return pair(ATTRIBUTE_DESTINATION_IP, values, notValues, block);
    case 'destination.port':
      return pair(ATTRIBUTE_PORT, values, notValues, pattern);
    case 'connection.sni':
      return pair(ATTRIBUTE_SNI, values, notValues, pattern);
    default:
      return unknown(values, notValues);
  }
}

function pair(
  attribute: number,
  values: readonly string[] | undefined,
  notValues: readonly string[] | undefined,
  compile: (value: string) => Value | readonly Value[],
  key = '',
): Match[] {
  const matches: Match[] = [];
  if (values?.length) matches.push({ attribute, negated: false, key, values: values.flatMap(compile) });
  if (notValues?.length) matches.push({ attribute, negated: true, key, values: notValues.flatMap(compile) });
  return matches;
}

function unknown(values: readonly string[] | undefined, notValues: readonly string[] | undefined): Compiled[] {
  return values?.length || notValues?.length ? [UNKNOWN] : [];
}

/** exact, prefix*, *suffix, * = present. */
function pattern(value: string): Value {
  if (value === '*') return { kind: VALUE_PRESENT, bytes: EMPTY };
  if (value.endsWith('*')) return { kind: VALUE_PREFIX, bytes: Buffer.from(value.slice(0, -1)) };
  if (value.startsWith('*')) return { kind: VALUE_SUFFIX, bytes: Buffer.from(value.slice(1)) };
  return { kind: VALUE_EXACT, bytes: Buffer.from(value) };
}

/** A path with {*} or {**} is a template, in which a lone * is a character. Written as paths of requests arrive. */
function path(value: string): Value {
  const open = value.startsWith('*') || value.endsWith('*');
  const written = normalRule(value, !open);
  if (!value.includes('{*}') && !value.includes('{**}')) return pattern(written);
  return { kind: VALUE_TEMPLATE, bytes: Buffer.from(written) };
}

/**
 * issuer/subject, split at the last slash and compared one by one, as in Istio: an issuer could otherwise choose subjects
 * that read like another issuer's.
 */
function requestPrincipal(value: string): Value {
  const slash = value.lastIndexOf('/');
  let issuer = slash < 0 ? value : value.slice(0, slash);
  let subject = slash < 0 ? '' : value.slice(slash + 1);
  if (slash < 0 && value.startsWith('*')) [issuer, subject] = ['*', value];
  else if (slash < 0 && value.endsWith('*')) subject = '*';
  const parts = [pattern(issuer), pattern(subject)].map(({ kind, bytes }) => {
    const length = Buffer.alloc(2);
    length.writeUInt16LE(bytes.length);
    return Buffer.concat([Buffer.of(kind), length, bytes]);
  });
  return { kind: VALUE_REQUEST_PRINCIPAL, bytes: Buffer.concat(parts) };
}

function principal(value: string, { trustDomains }: Scope): Value[] {
  return principalsMeant(value, trustDomains).map(pattern);
}

function trustDomain(value: string, { trustDomains }: Scope): Value[] {
  return domainsMeant(value, trustDomains).map(pattern);
}

/** An address or CIDR block: a byte of prefix length, then 4 or 16 bytes of address. */
function block(value: string): Value {
  const [address, length] = value.split('/', 2);
  const bytes = addressBytes(address);
  return { kind: VALUE_CIDR, bytes: Buffer.from([length === undefined ? bytes.length * 8 : Number(length), ...bytes]) };
}

function addressBytes(address: string): number[] {
  if (isIP(address) === 4) return address.split('.').map(Number);
  // An IPv4 tail becomes two groups; '::' stands for as many zero groups as are missing.
  const tail = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const groups =
    tail === null
      ? address
      : `${tail[1]}${(Number(tail[2]) * 256 + Number(tail[3])).toString(16)}:${(Number(tail[4]) * 256 + Number(tail[5])).toString(16)}`;
  const [before, after] = groups.split('::', 2).map((part) => (part === '' ? [] : part.split(':')));
  const rest = after ?? [];
  const all = [...before, ...new Array(8 - before.length - rest.length).fill('0'), ...rest];
  return all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
}

const EMPTY = new Uint8Array(0);
