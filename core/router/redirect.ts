// The answer of a route that redirects.

import type { LocalReply } from '../exchange/filter.ts';
import type { Head } from '../http/head.ts';
import { splitAuthority } from './hosts.ts';
import type { RedirectAction } from './route.ts';

const DEFAULT_PORT: Readonly<Record<string, number>> = { http: 80, https: 443 };

/** `covered`: bytes of the path that the route's match covered. */
export function redirectReply(head: Head, covered: number, action: RedirectAction): LocalReply {
  const scheme = action.scheme || head.scheme;
  const { host, port } = splitAuthority(action.authority || head.authority);
  // A port that the client's scheme means by itself is none of the new scheme's; any other is where it was told to be.
  const implied = action.authority === '' && scheme !== head.scheme && port === DEFAULT_PORT[head.scheme];
  const wanted = action.port || (implied ? 0 : port);
  const shown = wanted === 0 || wanted === DEFAULT_PORT[scheme] ? '' : `:${wanted}`;
  const path = pathOf(head.path, covered, action);
  // A client of HTTP/1.0 need not say which host it asked.
  const location = host === '' ? path : `${scheme}://${host}${shown}${path}`;
  return {
    status: action.status,
    details: 'direct_response',
    body: '',
    fields: [['location', location]],
    grpcStatus: -1,
  };
}

function pathOf(path: string, covered: number, action: RedirectAction): string {
  if (action.prefixRewrite !== '') return action.prefixRewrite + path.slice(covered);
  if (action.path === '') return path;
  const mark = path.indexOf('?');
  return mark < 0 || action.path.includes('?') ? action.path : action.path + path.slice(mark);
}
