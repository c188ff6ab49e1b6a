// The bytes that the rbac filter interprets, little-endian; sizes let it skip what is decided.
//
//   u8 version (2) | u8 1 at a gateway | list of policies that deny | of those that allow | of those that would deny |
//   of those that would allow | of those that only count
//   list         u16 count | item...
//   policy       u32 size | text name | list of rules
//   rule         u32 size | u16 index | list of sources | list of operations | conjunction (when)
//   source, operation, conjunction   u32 size | list of matches, all of which must hold
//   match        u32 size | u8 attribute | u8 negated | text key | list of values, one of which must match
//   value        u8 kind | text; of a request principal: u8 kind | text issuer | u8 kind | text subject, as that text
//   text         u16 length | bytes

import { list, sized, text, u16 } from '../encoding.ts';

export const ATTRIBUTE = {
  principal: 1,
  namespace: 2,
  sourceIp: 3,
  remoteIp: 4,
  serviceAccount: 5,
  trustDomain: 6,
  host: 7,
  port: 8,
  method: 9,
  path: 10,
  header: 11,
  destinationIp: 12,
  sni: 13,
  requestPrincipal: 14,
  claim: 15,
} as const;

export const VALUE = { exact: 0, prefix: 1, suffix: 2, present: 3, cidr: 4, template: 5, requestPrincipal: 6 } as const;

export interface Value {
  readonly kind: number;
  readonly bytes: Uint8Array;
}

export interface Match {
  readonly attribute: number;
  readonly negated: boolean;
  /** A header's name, or a claim's (names joined by NUL), else ''. */
  readonly key: string;
  readonly values: readonly Value[];
}

export type Conjunction = readonly Match[];

export interface EncodedRule {
  readonly index: number;
  readonly sources: readonly Conjunction[];
  readonly operations: readonly Conjunction[];
  readonly when: Conjunction;
}

export interface EncodedPolicy {
  readonly name: string;
  readonly rules: readonly EncodedRule[];
}

const VERSION = 2;

/** Policies by what they do. Dry runs are evaluated and told, never enforced. */
export interface PolicyGroups {
  readonly deny: readonly EncodedPolicy[];
  readonly allow: readonly EncodedPolicy[];
  readonly dryRunDeny: readonly EncodedPolicy[];
  readonly dryRunAllow: readonly EncodedPolicy[];
  readonly audit: readonly EncodedPolicy[];
}

export function encodePolicies(gateway: boolean, groups: PolicyGroups): Uint8Array {
  const { deny, allow, dryRunDeny, dryRunAllow, audit } = groups;
  const lists = [deny, allow, dryRunDeny, dryRunAllow, audit].map((policies) => list(policies, policy));
  return Buffer.concat([Buffer.of(VERSION, gateway ? 1 : 0), ...lists]);
}

function policy({ name, rules }: EncodedPolicy): Buffer {
  return sized(text(name), list(rules, rule));
}

function rule({ index, sources, operations, when }: EncodedRule): Buffer {
  return sized(u16(index), list(sources, conjunction), list(operations, conjunction), conjunction(when));
}

function conjunction(matches: Conjunction): Buffer {
  return sized(list(matches, match));
}

function match({ attribute, negated, key, values }: Match): Buffer {
  return sized(Buffer.of(attribute, negated ? 1 : 0), text(key), list(values, value));
}

function value({ kind, bytes }: Value): Buffer {
  return Buffer.concat([Buffer.of(kind), text(bytes)]);
}
