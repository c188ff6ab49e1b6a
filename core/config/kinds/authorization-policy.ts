// AuthorizationPolicy: who may do what at a workload. Order of evaluation is CUSTOM, DENY, ALLOW; an ALLOW policy without
// rules allows nothing, `rules: [{}]` matches everything.

import { DRY_RUN } from '../attachment.ts';
import { nonEmpty, quote } from '../formats.ts';
import { isIpOrCidr } from '../hosts.ts';
import { defineKind, notFound } from '../kind.ts';
import { array, object, oneOf, optional, partly, type Report, type Static, string } from '../schema.ts';
import {
  MAX_ACCOUNTS,
  paths,
  patterns,
  portFault,
  ports,
  serviceAccountFault,
  serviceAccounts,
  trustDomainFault,
  trustDomains,
} from '../schemas/policy-values.ts';
import { ATTACHMENT, attachment } from '../schemas/selectors.ts';
import { meshConfig } from './mesh-config.ts';

const blocks = optional(array(string({ code: 'address', check: blockFault })));

export const Source = object(
  {
    principals: optional(patterns),
    notPrincipals: optional(patterns),
    requestPrincipals: optional(patterns),
    notRequestPrincipals: optional(patterns),
    namespaces: optional(patterns),
    notNamespaces: optional(patterns),
    serviceAccounts: optional(serviceAccounts),
    notServiceAccounts: optional(serviceAccounts),
    ipBlocks: blocks,
    notIpBlocks: blocks,
    remoteIpBlocks: blocks,
    notRemoteIpBlocks: blocks,
    trustDomains: optional(trustDomains),
    notTrustDomains: optional(trustDomains),
  },
  {
    check(source, report) {
      if (Object.keys(source).length === 0) report.error([], 'required', 'a source needs at least one condition');
      const { serviceAccounts: some, notServiceAccounts: others, principals, notPrincipals } = source;
      const named = principals ?? notPrincipals ?? source.namespaces ?? source.notNamespaces;
      if ((some ?? others) !== undefined && named !== undefined) {
        report.error([], 'oneof', 'service accounts exclude principals and namespaces: they are parts of one identity');
      }
      for (const [field, list] of Object.entries({ serviceAccounts: some, notServiceAccounts: others })) {
        if (list !== undefined && list.length > MAX_ACCOUNTS) {
          report.error([field], 'limit', `more than ${MAX_ACCOUNTS} service accounts`);
        }
      }
      emptyLists(source, report);
      innerWildcards(source, report);
    },
  },
);
export type Source = Static<typeof Source>;

export const Operation = object(
  {
    hosts: optional(patterns),
    notHosts: optional(patterns),
    ports: optional(ports),
    notPorts: optional(ports),
    methods: optional(patterns),
    notMethods: optional(patterns),
    paths: optional(paths),
    notPaths: optional(paths),
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
  /^(?:request\.headers\[[^[\]]+\]|request\.auth\.claims(?:\[[^[\]]+\])+|experimental\.envoy\.filters\.[^[\]]+\[.+\]|request\.experimental\.inline\.headers\[[^[\]]+\])$/;

const attribute = string({
  code: 'enum',
  check: (value) =>
    KEYS.has(value) || KEY_WITH_NAME.test(value)
      ? null
      : `${quote(value)} is no attribute: one of ${[...KEYS].join(', ')}, request.headers[name], request.auth.claims[name]`,
});

/** Of keys whose values are no texts of any kind. */
const VALUE_FAULTS: Readonly<Record<string, (value: string) => string | null>> = {
  'source.ip': blockFault,
  'remote.ip': blockFault,
  'destination.ip': blockFault,
  'destination.port': portFault,
  'source.serviceAccount': serviceAccountFault,
  'source.trustDomain': trustDomainFault,
};

export const Condition = object(
  { key: attribute, values: optional(patterns), notValues: optional(patterns) },
  {
    check(condition, report) {
      if (!condition.values?.length && !condition.notValues?.length) {
        report.error([], 'required', 'a condition needs values or notValues');
      }
      const fault = VALUE_FAULTS[condition.key];
      if (fault === undefined) innerWildcards(condition, report);
      else {
        for (const field of ['values', 'notValues'] as const) {
          condition[field]?.forEach((value, i) => {
            const message = fault(value);
            if (message !== null) report.error([field, i], 'value', message);
          });
        }
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

/** As Go reads booleans. */
const BOOLEANS = /^(?:1|t|T|true|TRUE|True|0|f|F|false|FALSE|False)$/;

export const AuthorizationPolicySpec = object(
  {
    ...attachment,
    rules: optional(array(AuthorizationRule)),
    /** Left out: ALLOW. */
    action: optional(oneOf('ALLOW', 'DENY', 'AUDIT', 'CUSTOM')),
    /** Whom MeshConfig has by this name. */
    provider: optional(object({ name: nonEmpty })),
  },
  {
    atMostOne: [ATTACHMENT],
    check(spec, report) {
      if (spec.action === 'CUSTOM') {
        if (!spec.provider) report.error([], 'required', 'action CUSTOM needs a provider');
        customRules(spec.rules ?? [], report);
      }
      if (spec.action !== 'CUSTOM' && spec.provider) {
        report.error(['provider'], 'contradiction', 'a provider is for action CUSTOM only');
      }
      if ((spec.action === 'DENY' || spec.action === 'CUSTOM') && !spec.rules) {
        const message = `action ${spec.action} without rules matches nothing: write rules, or \`rules: [{}]\` for everything`;
        report.error([], 'required', message);
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
  annotations: { [DRY_RUN]: booleanFault },
  check({ metadata, spec: { action } }, report) {
    if (metadata.annotations?.[DRY_RUN] === undefined || (action !== 'CUSTOM' && action !== 'AUDIT')) return;
    const message = `a policy can be tried with action ALLOW and DENY only, not with ${action}`;
    report.error(['metadata', 'annotations', DRY_RUN], 'contradiction', message);
  },
  references({ spec: { provider } }, inventory, warn) {
    if (provider === undefined) return;
    const { extensionProviders = [] } = inventory.get(meshConfig, '', 'default')?.spec ?? {};
    const named = extensionProviders.find(({ name }) => name === provider.name);
    const path = ['spec', 'provider', 'name'];
    if (named === undefined) {
      warn('IST0101', path, `${notFound('extension provider', provider.name)}: what this policy matches is denied`);
    } else if ((named.envoyExtAuthzHttp ?? named.envoyExtAuthzGrpc) === undefined) {
      const message = `the extension provider ${quote(provider.name)} is no external authorizer: what this policy matches is denied`;
      warn('provider', path, message);
    }
  },
});

/** What else is written would be taken for false, and a policy meant to be tried would be enforced. */
function booleanFault(value: string): string | null {
  return BOOLEANS.test(value) ? null : `${quote(value)} is neither "true" nor "false"`;
}

/** Whoever is asked by CUSTOM is asked before identities are known: Istio takes none of these there. */
function customRules(rules: readonly AuthorizationRule[], report: Report): void {
  const wrong = (path: (string | number)[], what: string): void =>
    report.error(path, 'contradiction', `${what} does not go with action CUSTOM`);
  rules.forEach(({ from, when }, i) => {
    from?.forEach(({ source }, j) => {
      for (const field of Object.keys(source)) {
        if (!/^(?:not)?(?:remote)?ipblocks$/i.test(field)) wrong(['rules', i, 'from', j, 'source', field], field);
      }
    });
    when?.forEach(({ key }, j) => {
      if (/^(?:source\.(?:namespace|serviceAccount|principal|trustDomain)$|request\.auth\.)/.test(key)) {
        wrong(['rules', i, 'when', j, 'key'], key);
      }
    });
  });
}

function blockFault(value: string): string | null {
  return isIpOrCidr(value) ? null : `${quote(value)} is no IP address or CIDR block`;
}

/** What this proxy cannot know decides against the request. */
function unenforcedCondition(key: string): string | null {
  return /^(?:request\.)?experimental\./.test(key) ? `conditions on ${key}` : null;
}

/** A * is a wildcard at one end of a value only. Elsewhere it is itself, which hardly anybody means. */
function innerWildcards(fields: Readonly<Record<string, unknown>>, report: Report): void {
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
function emptyLists(fields: Readonly<Record<string, unknown>>, report: Report): void {
  for (const [name, value] of Object.entries(fields)) {
    if (Array.isArray(value) && value.length === 0)
      report.error([name], 'empty', `${name} must not be empty: leave it out instead`);
  }
}
