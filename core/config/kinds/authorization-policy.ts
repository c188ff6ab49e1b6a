// AuthorizationPolicy: who may do what at a workload. Order of evaluation is CUSTOM, DENY, ALLOW; an ALLOW policy without
// rules allows nothing, `rules: [{}]` matches everything.

import { nonEmpty, quote } from '../formats.ts';
import { isIpOrCidr } from '../hosts.ts';
import { defineKind } from '../kind.ts';
import { array, notEnforced, object, oneOf, optional, partly, type Static, string } from '../schema.ts';
import { ATTACHMENT, attachment } from '../schemas/selectors.ts';

const patterns = optional(array(nonEmpty));

const blocks = optional(
  array(
    string({
      code: 'address',
      check: (value) => (isIpOrCidr(value) ? null : `${quote(value)} is no IP address or CIDR block`),
    }),
  ),
);

const ports = optional(
  array(
    string({
      code: 'range',
      check: (value) =>
        /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65535
          ? null
          : `${quote(value)} is no port: a number from 1 to 65535`,
    }),
  ),
);

/** Exact, with a * at one end, or a template of segments {*} and {**}, which has no other wildcard. */
const path = string({
  code: 'path',
  check(value) {
    if (value === '') return 'must not be empty';
    if (!value.includes('{*}') && !value.includes('{**}')) return null;
    const segments = value.split('/');
    const isOperator = (segment: string): boolean => segment === '{*}' || segment === '{**}';
    if (segments.some((segment) => !isOperator(segment) && /[{}*]/.test(segment))) {
      return `${quote(value)} is no path template: {*} and {**} are whole segments, and no other wildcard goes with them`;
    }
    const operators = segments.filter(isOperator);
    return operators.slice(0, -1).includes('{**}')
      ? `${quote(value)} is no path template: {**} has to be its last operator`
      : null;
  },
});

export const Source = object(
  {
    principals: patterns,
    notPrincipals: patterns,
    requestPrincipals: patterns,
    notRequestPrincipals: patterns,
    namespaces: patterns,
    notNamespaces: patterns,
    serviceAccounts: patterns,
    notServiceAccounts: patterns,
    ipBlocks: blocks,
    notIpBlocks: blocks,
    remoteIpBlocks: blocks,
    notRemoteIpBlocks: blocks,
    trustDomains: patterns,
    notTrustDomains: patterns,
  },
  {
    atMostOne: [
      ['serviceAccounts', 'principals'],
      ['serviceAccounts', 'namespaces'],
    ],
    check(source, report) {
      if (Object.keys(source).length === 0) report.error([], 'required', 'a source needs at least one condition');
      emptyLists(source, report);
      innerWildcards(source, report);
    },
  },
);
export type Source = Static<typeof Source>;

export const Operation = object(
  {
    hosts: patterns,
    notHosts: patterns,
    ports,
    notPorts: ports,
    methods: patterns,
    notMethods: patterns,
    paths: optional(array(path)),
    notPaths: optional(array(path)),
  },
  {
    check(operation, report) {
      if (Object.keys(operation).length === 0)
        report.error([], 'required', 'an operation needs at least one condition');
      emptyLists(operation, report);
      innerWildcards(operation, report);
    },
  },
);
export type Operation = Static<typeof Operation>;

const KEYS = new Set([
  ...['source.ip', 'remote.ip', 'source.namespace', 'source.principal', 'source.serviceAccount', 'source.trustDomain'],
  ...['request.auth.principal', 'request.auth.audiences', 'request.auth.presenter'],
  ...['destination.ip', 'destination.port', 'connection.sni'],
]);
const KEY_WITH_NAME =
  /^(?:request\.headers\[[^[\]]+\]|request\.auth\.claims(?:\[[^[\]]+\])+|experimental\.envoy\.filters\..+)$/;

const attribute = string({
  code: 'enum',
  check: (value) =>
    KEYS.has(value) || KEY_WITH_NAME.test(value)
      ? null
      : `${quote(value)} is no attribute: one of ${[...KEYS].join(', ')}, request.headers[name], request.auth.claims[name]`,
});

export const Condition = object(
  { key: attribute, values: patterns, notValues: patterns },
  {
    check(condition, report) {
      if (!condition.values?.length && !condition.notValues?.length) {
        report.error([], 'required', 'a condition needs values or notValues');
      }
      innerWildcards(condition, report);
      if (condition.key !== 'source.ip' && condition.key !== 'remote.ip' && condition.key !== 'destination.ip') return;
      for (const field of ['values', 'notValues'] as const) {
        condition[field]?.forEach((value, i) => {
          if (!isIpOrCidr(value)) report.error([field, i], 'address', `${quote(value)} is no IP address or CIDR block`);
        });
      }
    },
  },
);
export type Condition = Static<typeof Condition>;

export const AuthorizationRule = object({
  from: optional(array(object({ source: Source }), 1)),
  to: optional(array(object({ operation: Operation }), 1)),
  when: optional(array(partly(Condition, ({ key }) => unenforcedCondition(key)))),
});
export type AuthorizationRule = Static<typeof AuthorizationRule>;

const CUSTOM = 'action CUSTOM (what it matches is denied)';

export const AuthorizationPolicySpec = object(
  {
    ...attachment,
    rules: optional(array(AuthorizationRule)),
    /** Left out: ALLOW. */
    action: partly(optional(oneOf('ALLOW', 'DENY', 'AUDIT', 'CUSTOM')), (value) =>
      value === 'CUSTOM' ? CUSTOM : null,
    ),
    provider: notEnforced(optional(object({ name: nonEmpty })), CUSTOM),
  },
  {
    atMostOne: [ATTACHMENT],
    check(spec, report) {
      if (spec.action === 'CUSTOM' && !spec.provider) report.error([], 'required', 'action CUSTOM needs a provider');
      if (spec.action !== 'CUSTOM' && spec.provider) {
        report.error(['provider'], 'contradiction', 'a provider is for action CUSTOM only');
      }
      if (spec.action === 'DENY' && !spec.rules) {
        report.error(
          [],
          'required',
          'action DENY without rules denies nothing: write rules, or `rules: [{}]` to deny everything',
        );
      }
    },
  },
);
export type AuthorizationPolicySpec = Static<typeof AuthorizationPolicySpec>;

export const authorizationPolicy = defineKind({
  name: 'AuthorizationPolicy',
  shortNames: ['ap'],
  group: 'security.istio.io',
  versions: ['v1', 'v1beta1'],
  scope: 'namespace',
  spec: AuthorizationPolicySpec,
});

/** What this proxy cannot know decides against the request. */
function unenforcedCondition(key: string): string | null {
  return key.startsWith('experimental.') ? `conditions on ${key}` : null;
}

/** A * is a wildcard at one end of a value only. Elsewhere it is itself, which hardly anybody means. */
function innerWildcards(
  fields: Readonly<Record<string, unknown>>,
  report: { warning(path: (string | number)[], code: string, message: string): void },
): void {
  for (const [name, values] of Object.entries(fields)) {
    if (!Array.isArray(values)) continue;
    values.forEach((value: unknown, i) => {
      if (typeof value !== 'string' || value.includes('{*}') || value.includes('{**}')) return;
      const rest = value.endsWith('*') ? value.slice(0, -1) : value.replace(/^\*/, '');
      if (rest.includes('*')) {
        report.warning(
          [name, i],
          'wildcard',
          `${quote(value)}: a * counts only at one end of a value, and is taken as it stands here`,
        );
      }
    });
  }
}

/** An empty list reads as "none of them" and means "any of them": refused rather than guessed. */
function emptyLists(
  fields: Readonly<Record<string, unknown>>,
  report: { error(path: string[], code: string, message: string): void },
): void {
  for (const [name, value] of Object.entries(fields)) {
    if (Array.isArray(value) && value.length === 0)
      report.error([name], 'empty', `${name} must not be empty: leave it out instead`);
  }
}
