// Compiled policies as the bytes that the rbac filter interprets (layout.ts).

import { list, sized, text, u16 } from '../encoding.ts';
import { VERSION } from './layout.ts';

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
  const lists = [deny, allow, dryRunDeny, dryRunAllow, audit].map(policyList);
  return Buffer.concat([Buffer.of(VERSION, gateway ? 1 : 0), ...lists]);
}

/** As layout.ts draws it. */
export function policyList(policies: readonly EncodedPolicy[]): Buffer {
  return list(policies, policy);
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
