// What a route makes of a request and of its answer, compiled: changed fields, a rewritten path, a redirect.

import type { HTTPRedirect, HTTPRewrite } from '../config/kinds/virtual-service.ts';
import { compileRegex } from '../config/regex.ts';
import {
  isAuthority,
  type RequestHeaderOperations,
  type ResponseHeaderOperations,
} from '../config/schemas/header-operations.ts';
import { FieldName } from '../http/head.ts';
import type { FieldChange, FieldChanges, PathRewrite, RedirectAction } from '../router/route.ts';

type Operations = RequestHeaderOperations | ResponseHeaderOperations;

/**
 * Of each group first what is removed, then what is set and added, level by level; one group after the other. Null: nothing
 * is changed.
 */
export function fieldChanges(...groups: readonly (readonly (Operations | undefined)[])[]): FieldChanges | null {
  const changes: FieldChange[] = [];
  const add = (kind: FieldChange['kind'], written: string, value: string): void => {
    if (isAuthority(written)) return;
    changes.push({ kind, name: new FieldName(written), written, value: Buffer.from(value).toString('latin1') });
  };
  for (const levels of groups) {
    for (const level of levels) for (const name of level?.remove ?? []) add('remove', name, '');
    for (const level of levels) {
      for (const [name, value] of Object.entries(level?.set ?? {})) add('set', name, value);
      for (const [name, value] of Object.entries(level?.add ?? {})) add('add', name, value);
    }
  }
  return changes.length === 0 ? null : changes;
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
    status: redirect.redirectCode ?? 301,
    scheme: redirect.scheme ?? '',
    authority: redirect.authority ?? '',
    port: redirect.port ?? 0,
    path: redirect.uri ?? '',
    prefixRewrite: redirect.prefixRewrite ?? '',
  };
}
