// The Gateway API's HTTPRoute: where requests go that come through a Gateway, or to a Service.

import {
  count,
  duration,
  headerName,
  headerValue,
  host,
  nonEmpty,
  port,
  quote,
  text,
  texts,
  wildcardHost,
} from '../formats.ts';
import { defineKind, type Inventory, notFound, type Warn } from '../kind.ts';
import { regexFault } from '../regex.ts';
import type { Resource } from '../resource.ts';
import { array, boolean, integer, notEnforced, object, oneOf, optional, type Static, string } from '../schema.ts';
import { GATEWAY_API } from '../schemas/gateway-api.ts';
import type { Path } from '../walk.ts';
import { gatewayApiGateway } from './gateway-api-gateway.ts';

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH'] as const;

const absolutePath = string({
  code: 'path',
  check: (value) => (value.startsWith('/') ? null : `${quote(value)} is no path: it has to begin with '/'`),
});

/** A match whose meaning depends on its type; the value of a RegularExpression has to compile. */
function typedMatch(name: typeof nonEmpty) {
  return object(
    { type: optional(oneOf('Exact', 'RegularExpression')), name, value: text },
    {
      check(match, report) {
        const fault = match.type === 'RegularExpression' ? regexFault(match.value) : null;
        if (fault !== null) report.error(['value'], 'regex', fault);
      },
    },
  );
}

export const GatewayApiMatch = object({
  path: optional(
    object(
      { type: optional(oneOf('Exact', 'PathPrefix', 'RegularExpression')), value: optional(text) },
      {
        check(path, report) {
          const value = path.value ?? '/';
          if (path.type === 'RegularExpression') {
            const fault = regexFault(value);
            if (fault !== null) report.error(['value'], 'regex', fault);
          } else if (!value.startsWith('/')) {
            report.error(['value'], 'path', `${quote(value)} is no path: it has to begin with '/'`);
          }
        },
      },
    ),
  ),
  headers: optional(array(typedMatch(headerName))),
  queryParams: optional(array(typedMatch(nonEmpty))),
  method: optional(oneOf(...METHODS)),
});
export type GatewayApiMatch = Static<typeof GatewayApiMatch>;

const Header = object({ name: headerName, value: headerValue });

const HeaderModifier = object({
  set: optional(array(Header)),
  add: optional(array(Header)),
  remove: optional(array(headerName)),
});

const PathModifier = object(
  {
    type: oneOf('ReplaceFullPath', 'ReplacePrefixMatch'),
    replaceFullPath: optional(absolutePath),
    replacePrefixMatch: optional(text),
  },
  {
    check(path, report) {
      const field = path.type === 'ReplaceFullPath' ? 'replaceFullPath' : 'replacePrefixMatch';
      const other = path.type === 'ReplaceFullPath' ? 'replacePrefixMatch' : 'replaceFullPath';
      if (path[field] === undefined) report.error([], 'required', `type ${path.type} needs ${field}`);
      if (path[other] !== undefined)
        report.error([other], 'contradiction', `${other} does not go with type ${path.type}`);
    },
  },
);

const backend = {
  group: optional(text),
  kind: optional(text),
  name: nonEmpty,
  namespace: optional(text),
  port: optional(port),
};

/** A filter's settings lie in the field that its type names. */
const FIELD_OF_TYPE = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestMirror: 'requestMirror',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  ExtensionRef: 'extensionRef',
  CORS: 'cors',
} as const;

export const GatewayApiFilter = object(
  {
    type: oneOf(
      'RequestHeaderModifier',
      'ResponseHeaderModifier',
      'RequestMirror',
      'RequestRedirect',
      'URLRewrite',
      'ExtensionRef',
      'CORS',
    ),
    requestHeaderModifier: optional(HeaderModifier),
    responseHeaderModifier: optional(HeaderModifier),
    requestMirror: optional(
      object(
        {
          backendRef: object(backend),
          percent: optional(integer(0, 100)),
          fraction: optional(object({ numerator: count, denominator: optional(integer(1, 2147483647)) })),
        },
        { atMostOne: [['percent', 'fraction']] },
      ),
    ),
    requestRedirect: optional(
      object({
        scheme: optional(oneOf('http', 'https')),
        hostname: optional(host),
        path: optional(PathModifier),
        port: optional(port),
        statusCode: optional(integer(301, 308)),
      }),
    ),
    urlRewrite: optional(object({ hostname: optional(host), path: optional(PathModifier) })),
    extensionRef: optional(object({ group: text, kind: nonEmpty, name: nonEmpty })),
    cors: optional(
      object({
        allowOrigins: optional(texts),
        allowCredentials: optional(boolean),
        allowMethods: optional(texts),
        allowHeaders: optional(texts),
        exposeHeaders: optional(texts),
        maxAge: optional(count),
      }),
    ),
  },
  {
    check(filter, report) {
      const wanted = FIELD_OF_TYPE[filter.type];
      if (filter[wanted] === undefined) report.error([], 'required', `type ${filter.type} needs ${wanted}`);
      for (const field of Object.values(FIELD_OF_TYPE)) {
        if (field === wanted || filter[field] === undefined) continue;
        report.error([field], 'contradiction', `${field} does not go with type ${filter.type}`);
      }
      const status = filter.requestRedirect?.statusCode;
      if (status !== undefined && ![301, 302, 303, 307, 308].includes(status)) {
        report.error(['requestRedirect', 'statusCode'], 'range', `${status} is no redirect: 301, 302, 303, 307 or 308`);
      }
    },
  },
);
export type GatewayApiFilter = Static<typeof GatewayApiFilter>;

export const GatewayApiRule = object({
  name: optional(text),
  /** Left out: every path. */
  matches: optional(array(GatewayApiMatch)),
  filters: optional(array(GatewayApiFilter)),
  backendRefs: optional(
    array(
      object({
        ...backend,
        /** Left out: 1. */
        weight: optional(integer(0, 1_000_000)),
        filters: optional(array(GatewayApiFilter)),
      }),
    ),
  ),
  timeouts: optional(object({ request: optional(duration), backendRequest: optional(duration) })),
  retry: optional(
    object({ codes: optional(array(integer(400, 599))), attempts: optional(count), backoff: optional(duration) }),
  ),
  sessionPersistence: optional(
    object({
      sessionName: optional(text),
      absoluteTimeout: optional(duration),
      idleTimeout: optional(duration),
      type: optional(oneOf('Cookie', 'Header')),
      cookieConfig: optional(object({ lifetimeType: optional(oneOf('Permanent', 'Session')) })),
    }),
  ),
});
export type GatewayApiRule = Static<typeof GatewayApiRule>;

export const HTTPRouteSpec = object(
  {
    parentRefs: optional(
      array(
        object({
          group: optional(text),
          kind: optional(text),
          namespace: optional(text),
          name: nonEmpty,
          sectionName: optional(text),
          port: optional(port),
        }),
      ),
    ),
    hostnames: optional(array(wildcardHost)),
    rules: optional(array(GatewayApiRule)),
  },
  { ignore: ['useDefaultGateways'] },
);
export type HTTPRouteSpec = Static<typeof HTTPRouteSpec>;

export const httpRoute = defineKind({
  name: 'HTTPRoute',
  ...GATEWAY_API,
  scope: 'namespace',
  spec: notEnforced(HTTPRouteSpec),
  references,
});

function references({ metadata, spec }: Resource<HTTPRouteSpec>, inventory: Inventory, warn: Warn): void {
  const service = (name: string, namespace: string, path: Path): void => {
    if (!inventory.hasHost(inventory.resolve(name, namespace))) warn('IST0101', path, notFound('service', name));
  };
  spec.parentRefs?.forEach((parent, i) => {
    const path = ['spec', 'parentRefs', i, 'name'];
    const namespace = parent.namespace ?? metadata.namespace;
    if (parent.kind === 'Service') service(parent.name, namespace, path);
    else if (
      (parent.kind ?? 'Gateway') === 'Gateway' &&
      inventory.get(gatewayApiGateway, namespace, parent.name) === null
    ) {
      warn('IST0101', path, notFound('gateway', parent.name));
    }
  });
  spec.rules?.forEach((rule, i) => {
    rule.backendRefs?.forEach((backend, j) => {
      if ((backend.kind ?? 'Service') !== 'Service') return;
      service(backend.name, backend.namespace ?? metadata.namespace, ['spec', 'rules', i, 'backendRefs', j, 'name']);
    });
  });
}
