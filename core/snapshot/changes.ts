// What a route makes of a request and of its answer, compiled: changed fields, a rewritten path, a redirect.

import type { Headers, HTTPRedirect, HTTPRewrite, VirtualServiceSpec } from '../config/kinds/virtual-service.ts';
import { compileRegex } from '../config/regex.ts';
import { type Problem, type Resource, resourceKey } from '../config/resource.ts';
import {
  isAuthority,
  type RequestHeaderOperations,
  type ResponseHeaderOperations,
} from '../config/schemas/header-operations.ts';
import { FieldName } from '../http/head.ts';
import type { FieldChangeGroup, FieldChanges, FieldPut, PathRewrite, RedirectAction } from '../router/route.ts';
import { headerFormat, headerFormatFault } from '../telemetry/header-format.ts';

type Operations = RequestHeaderOperations | ResponseHeaderOperations;

/**
 * One group after the other, null: nothing is changed. As Envoy does it, of the levels of a group all is removed that any of
 * them removes, then all is set, and then all is added.
 */
export function fieldChanges(...groups: readonly (readonly (Operations | undefined)[])[]): FieldChanges | null {
  if (groups.every((levels) => levels.every((level) => level === undefined))) return null;
  const changes = groups.map(group).filter(({ removed, put }) => removed.length > 0 || put.length > 0);
  return changes.length === 0 ? null : changes;
}

function group(levels: readonly (Operations | undefined)[]): FieldChangeGroup {
  const put = [
    ...levels.flatMap((level) => puts(level?.set, false)),
    ...levels.flatMap((level) => puts(level?.add, true)),
  ];
  const removed = levels.flatMap((level) => level?.remove ?? []).map((name) => new FieldName(name));
  return { removed, put, filled: put.some(({ format }) => format !== null) };
}

/** Of an authority a target has its own. */
function puts(values: Readonly<Record<string, string>> = {}, append: boolean): FieldPut[] {
  const fields = Object.entries(values).filter(([name]) => !isAuthority(name));
  return fields.map(([written, given]) => {
    const value = headerFormat(given);
    const name = new FieldName(written);
    return typeof value === 'string'
      ? { name, written, append, value, format: null }
      : { name, written, append, value: '', format: value };
  });
}

/** What is wrong with the values of headers that rules set, whomever they are for. */
export function headerFaults(virtualServices: readonly Resource<VirtualServiceSpec>[]): Problem[] {
  const problems: Problem[] = [];
  const check = (resource: Resource, headers: Headers | undefined, at: string): void => {
    for (const [side, operations] of Object.entries(headers ?? {})) {
      for (const kind of ['set', 'add'] as const) {
        for (const [name, value] of Object.entries(operations[kind] ?? {})) {
          const message = isAuthority(name) ? null : headerFormatFault(value);
          if (message === null) continue;
          const pointer = `${at}/headers/${side}/${kind}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
          problems.push({ severity: 'error', code: 'header_value', message, resource: resourceKey(resource), pointer });
        }
      }
    }
  };
  for (const resource of virtualServices) {
    for (const [i, { headers, route = [] }] of (resource.spec.http ?? []).entries()) {
      check(resource, headers, `/spec/http/${i}`);
      for (const [j, destination] of route.entries())
        check(resource, destination.headers, `/spec/http/${i}/route/${j}`);
    }
  }
  return problems;
}

/** Null: the path stays. */
export function pathRewrite({ uri, uriRegexRewrite }: HTTPRewrite): PathRewrite | null {
  if (uriRegexRewrite !== undefined) {
    const regex = compileRegex(uriRegexRewrite.match);
    const replacement = javaScriptReplacement(uriRegexRewrite.rewrite);
    return (path) => {
      const mark = path.indexOf('?');
      const bare = mark < 0 ? path : path.slice(0, mark);
      return regex.matcher(bare).replaceAll(replacement) + (mark < 0 ? '' : path.slice(mark));
    };
  }
  if (uri === undefined) return null;
  // What is rewritten to nothing is the root.
  const begin = uri === '' ? '/' : uri;
  return (path, covered) => joinRewritten(begin, path.slice(covered));
}

/** RE2 writes \0 for the match, \1 for its first group and \\\\ for a backslash; a dollar sign means nothing. */
function javaScriptReplacement(rewrite: string): string {
  return rewrite.replace(/\$|\\([\d\\])/g, (found, escaped: string | undefined) => {
    if (found === '$') return '$$';
    return escaped === '\\' ? escaped : escaped === '0' ? '$&' : `$${escaped}`;
  });
}

/** '/api/' rewritten to '/' turns '/api/x' into '/x', and '/api' rewritten to '/' turns it into '/x' as well. */
function joinRewritten(uri: string, rest: string): string {
  return uri.endsWith('/') && rest.startsWith('/') ? uri + rest.slice(1) : uri + rest;
}

export function redirectOf(redirect: HTTPRedirect): RedirectAction {
  return {
    type: 'redirect',
    status: redirect.redirectCode || 301,
    scheme: redirect.scheme ?? '',
    authority: redirect.authority ?? '',
    port: redirect.port ?? 0,
    path: redirect.uri ?? '',
    prefixRewrite: redirect.prefixRewrite ?? '',
  };
}
