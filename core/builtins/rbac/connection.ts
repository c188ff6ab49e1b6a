// AuthorizationPolicy at connections that are no HTTP. As Istio says of them: what a rule asks of requests never allows a connection,
// and never keeps a denial from applying. Decided once a connection, here, without the filter that requests pass.

import { BlockList, isIP } from 'node:net';
import type { Conjunction, EncodedPolicy, EncodedRule, Match, Value } from './encoding.ts';
import {
  ATTRIBUTE_DESTINATION_IP,
  ATTRIBUTE_NAMESPACE,
  ATTRIBUTE_PORT,
  ATTRIBUTE_PRINCIPAL,
  ATTRIBUTE_REMOTE_IP,
  ATTRIBUTE_SERVICE_ACCOUNT,
  ATTRIBUTE_SNI,
  ATTRIBUTE_SOURCE_IP,
  ATTRIBUTE_TRUST_DOMAIN,
  VALUE_CIDR,
  VALUE_EXACT,
  VALUE_PREFIX,
  VALUE_PRESENT,
  VALUE_SUFFIX,
} from './layout.ts';

/** A connection, as rules may ask about it. */
export interface ConnectionSubject {
  /** Proven: 'cluster.local/ns/default/sa/sleep', or ''. */
  readonly principal: string;
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Of the application. */
  readonly port: number;
  /** Asked for (SNI), or ''. */
  readonly serverName: string;
}

export interface ConnectionPolicies {
  readonly deny: readonly EncodedPolicy[];
  /** None: everybody is let in who is not denied. */
  readonly allow: readonly EncodedPolicy[];
}

/** Null: it may be. Else what the access log says of it. */
export type Admission = (subject: ConnectionSubject) => string | null;

type Test = (subject: ConnectionSubject) => boolean;

/** A rule of a policy, as the access log and the log name it. */
export interface Rule {
  readonly name: string;
  readonly holds: Test;
}

const DENIED = 'rbac_access_denied_matched_policy';

export function admissionOf({ deny, allow }: ConnectionPolicies): Admission {
  const denials = deny.flatMap((policy) => rulesOf(policy, true));
  const grants = allow.flatMap((policy) => rulesOf(policy, false));
  return (subject) => {
    const denial = denials.find(({ holds }) => holds(subject));
    if (denial !== undefined) return `${DENIED}[${denial.name}]`;
    if (allow.length === 0 || grants.some(({ holds }) => holds(subject))) return null;
    return `${DENIED}[none]`;
  };
}

/** Those that may hold; `denies`: what they ask of requests does not keep them from it. */
export function rulesOf({ name, rules }: EncodedPolicy, denies: boolean): Rule[] {
  return rules.flatMap((rule) => {
    const holds = ruleTest(rule, denies);
    return holds === null ? [] : [{ name: `${name}-rule[${rule.index}]`, holds }];
  });
}

/** Null: it never holds. */
function ruleTest({ sources, operations, when }: EncodedRule, denies: boolean): Test | null {
  const parts = [
    alternativesTest(sources, denies),
    alternativesTest(operations, denies),
    conjunctionTest(when, denies),
  ];
  if (parts.includes(null)) return null;
  return (subject) => parts.every((holds) => holds!(subject));
}

function alternativesTest(alternatives: readonly Conjunction[], denies: boolean): Test | null {
  if (alternatives.length === 0) return () => true;
  const tests = alternatives.map((each) => conjunctionTest(each, denies)).filter((test) => test !== null);
  return tests.length === 0 ? null : (subject) => tests.some((holds) => holds(subject));
}

function conjunctionTest(matches: Conjunction, denies: boolean): Test | null {
  const known = matches.filter(({ attribute }) => FACTS[attribute] !== undefined);
  if (known.length < matches.length && !denies) return null;
  const tests = known.map(matchTest);
  return (subject) => tests.every((holds) => holds(subject));
}

/** A fact that is not there satisfies no condition but a negated one. */
function matchTest({ attribute, negated, values }: Match): Test {
  const fact = FACTS[attribute];
  const tests = values.map(valueTest);
  return (subject) => {
    const text = fact(subject);
    return (text !== '' && tests.some((holds) => holds(text))) !== negated;
  };
}

function valueTest({ kind, bytes }: Value): (text: string) => boolean {
  const value = Buffer.from(bytes).toString();
  switch (kind) {
    case VALUE_EXACT:
      return (text) => text === value;
    case VALUE_PREFIX:
      return (text) => text.startsWith(value);
    case VALUE_SUFFIX:
      return (text) => text.endsWith(value);
    case VALUE_PRESENT:
      return () => true;
    case VALUE_CIDR:
      return inBlock(bytes);
    default:
      return () => false;
  }
}

/** A byte of prefix length, then 4 or 16 bytes of address. An IPv4 address may be written as an IPv6 one. */
function inBlock(bytes: Uint8Array): (text: string) => boolean {
  const [length, ...address] = bytes;
  const block = new BlockList();
  if (address.length === 4) block.addSubnet(address.join('.'), length, 'ipv4');
  else {
    const groups = Array.from({ length: 8 }, (_, i) => ((address[2 * i] << 8) | address[2 * i + 1]).toString(16));
    block.addSubnet(groups.join(':'), length, 'ipv6');
  }
  return (text) => block.check(text, isIP(text) === 6 ? 'ipv6' : 'ipv4');
}

/** trust-domain/ns/namespace/sa/account */
const PRINCIPAL = /^(.*?)\/ns\/([^/]+)\/sa\/(.*)$/;

function part(index: number): (subject: ConnectionSubject) => string {
  return ({ principal }) => PRINCIPAL.exec(principal)?.[index] ?? '';
}

const FACTS: Readonly<Record<number, (subject: ConnectionSubject) => string>> = {
  [ATTRIBUTE_PRINCIPAL]: ({ principal }) => principal,
  [ATTRIBUTE_NAMESPACE]: part(2),
  [ATTRIBUTE_SERVICE_ACCOUNT]: ({ principal }) => {
    const [, , namespace, account] = PRINCIPAL.exec(principal) ?? [];
    return namespace === undefined ? '' : `${namespace}/${account}`;
  },
  [ATTRIBUTE_TRUST_DOMAIN]: part(1),
  [ATTRIBUTE_SOURCE_IP]: ({ remoteAddress }) => remoteAddress,
  // Nobody says whom a connection is from but itself.
  [ATTRIBUTE_REMOTE_IP]: ({ remoteAddress }) => remoteAddress,
  [ATTRIBUTE_DESTINATION_IP]: ({ localAddress }) => localAddress,
  [ATTRIBUTE_PORT]: ({ port }) => String(port),
  [ATTRIBUTE_SNI]: ({ serverName }) => serverName,
};
